import { expect, test } from "bun:test";
import { DetachFilter, parseDetachKeys } from "./detach-keys.ts";

test("parseDetachKeys() reads docker's forms", () => {
  expect(parseDetachKeys(undefined)).toEqual([16, 17]);
  expect(parseDetachKeys("ctrl-a,b,ctrl-@,ctrl-[,DEL")).toEqual([1, 98, 0, 27, 127]);
  expect(() => parseDetachKeys("foo")).toThrow("invalid detach keys (foo): Unknown character: 'foo'");
});

const feed = (keys: number[], ...chunks: string[]): { passed: string; detached: boolean } => {
  const filter = new DetachFilter(keys);
  let passed = "";
  for (const chunk of chunks) {
    const { pass, detached } = filter.push(Buffer.from(chunk));
    passed += Buffer.from(pass).toString();
    if (detached) return { passed, detached };
  }
  return { passed, detached: false };
};

test("the sequence is found across chunks and never passed on", () => {
  expect(feed([16, 17], "ab\x10", "\x11cd")).toEqual({ passed: "ab", detached: true });
});

test("keys that only began the sequence are passed on", () => {
  expect(feed([16, 17], "\x10x\x10\x10y")).toEqual({ passed: "\x10x\x10\x10y", detached: false });
  expect(feed([16, 17], "\x10\x10\x11")).toEqual({ passed: "\x10", detached: true });
});

test("one key is a sequence too", () => {
  expect(feed([1], "x\x01y")).toEqual({ passed: "x", detached: true });
});
