import { expect, test } from "bun:test";
import { globMatcher } from "./glob.ts";

test("patterns of many stars match as those of few do", () => {
  const cases: [string, string, boolean][] = [
    ["*a*b*c", "xaxbxc", true],
    ["*a*b*c", "xaxb/xc", false],
    ["*a*b*c", "abc/below/it", true],
    ["*a*b*c", "abcd", false],
    ["**/a/**/b/**/c", "a/b/c", true],
    ["**/a/**/b/**/c", "x/a/y/z/b/c/d", true],
    ["**/a/**/b/**/c", "xa/b/c", false],
    ["*/*/*", "a/b/c", true],
    ["*/*/*", "a/b", false],
    ["a*?*[b-d]*\\*", "axyc*", true],
    ["a*?*[b-d]*\\*", "axycx", false],
    ["*/*/**", "a/b/c/d", true],
    ["*é*[^/]*", "xéé", true],
  ];
  for (const [pattern, path, matches] of cases)
    expect(`${pattern} ${path} ${globMatcher(pattern)(path)}`).toBe(`${pattern} ${path} ${matches}`);
});

test("a pattern of a stranger takes no longer than path times pattern", () => {
  const startedAt = performance.now();
  expect(globMatcher(`${"*a".repeat(50)}b`)("a".repeat(4000))).toBe(false);
  expect(globMatcher(`${"**/".repeat(2)}${"*?".repeat(40)}/x`)("a/".repeat(2000))).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(2000);
});
