import { expect, test } from "bun:test";
import { isPattern, matcher } from "./pattern.ts";

test("matcher(): a star stays within one part, two go over parts, and all else is itself", () => {
  for (const [pattern, yes, no] of [
    ["**", ["a", "a/b/c"], []],
    ["*", ["a", "a.b"], ["a/b"]],
    ["team/**", ["team", "team/a", "team/a/b"], ["teams", "teams/a", "a/team", "team-a"]],
    ["team/*", ["team/a"], ["team", "team/a/b"]],
    ["v*", ["v1", "v"], ["1v", "xv1"]],
    ["a.b", ["a.b"], ["axb", "a.bc"]],
    ["**/app", ["x/app", "x/y/app"], ["x/apps"]],
    ["a+b", ["a+b"], ["aab"]],
  ] as const) {
    const matches = matcher(pattern);
    expect([pattern, ...yes.map(matches)]).toEqual([pattern, ...yes.map(() => true)]);
    expect([pattern, ...no.map(matches)]).toEqual([pattern, ...no.map(() => false)]);
  }
});

test("isPattern() refuses what could be slow or is no name", () => {
  expect(["", "a b", "a\n", "(x)", "x".repeat(256), "*a".repeat(9)].map(isPattern)).toEqual(Array(6).fill(false));
  expect(["**", "team/**", "v1.*-rc+1"].map(isPattern)).toEqual([true, true, true]);
});

test("a pattern with the most stars that may be is quick on a name that does not match", () => {
  const startedAt = performance.now();
  expect(matcher("**a**a**a*b")(`${"a".repeat(254)}c`)).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});
