import { expect, test } from "bun:test";
import { readChallenges } from "./challenge.ts";

test("readChallenges() reads what registries send", () => {
  expect(
    readChallenges('Bearer realm="https://auth.test/token",service="reg",scope="repository:a/b:pull,push"'),
  ).toEqual([
    {
      scheme: "bearer",
      parameters: { realm: "https://auth.test/token", service: "reg", scope: "repository:a/b:pull,push" },
    },
  ]);
  expect(readChallenges('basic Realm="x"')).toEqual([{ scheme: "basic", parameters: { realm: "x" } }]);
  expect(readChallenges("Basic")).toEqual([{ scheme: "basic", parameters: {} }]);
});

test("readChallenges() reads several in one header, bare values, escapes, and passes others over", () => {
  const found = readChallenges('Negotiate, Basic realm=x , Bearer realm="a \\"b\\", c", error=insufficient_scope');
  expect(found).toEqual([
    { scheme: "basic", parameters: { realm: "x" } },
    { scheme: "bearer", parameters: { realm: 'a "b", c', error: "insufficient_scope" } },
  ]);
});

test("readChallenges() ends at what is malformed, whatever its length", () => {
  expect(readChallenges(null)).toEqual([]);
  expect(readChallenges("")).toEqual([]);
  expect(readChallenges('Bearer realm="open')).toEqual([{ scheme: "bearer", parameters: {} }]);
  expect(readChallenges('="x"')).toEqual([]);
  const startedAt = performance.now();
  readChallenges(`Bearer realm="${'\\"'.repeat(200_000)}`);
  readChallenges(",".repeat(400_000));
  readChallenges("a=b,".repeat(100_000));
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(Object.getPrototypeOf(readChallenges('Bearer __proto__="x"')[0]?.parameters)).toBeNull();
});
