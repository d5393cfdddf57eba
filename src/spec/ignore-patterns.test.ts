import { describe, expect, test } from "bun:test";
import { ignorePatterns, readIgnoreFile } from "./ignore-patterns.ts";

const ignores = (lines: string, path: string): boolean => ignorePatterns(readIgnoreFile(lines)).ignores(path);

describe("a path is ignored by the last pattern that matches it or a folder above it", () => {
  for (const [lines, path, wanted] of [
    ["a", "a", true],
    ["a", "b/a", false],
    ["a", "a/b/c", true],
    ["/a", "a", true],
    ["./a/", "a", true],
    ["a/../b", "b", true],
    ["*.md", "x.md", true],
    ["*.md", "d/x.md", false],
    ["**/*.md", "x.md", true],
    ["**/*.md", "a/b/x.md", true],
    ["a/**", "a/b/c", true],
    ["a/**/c", "a/c", true],
    ["a/**/c", "a/x/y/c", true],
    ["**", "anything/at/all", true],
    ["*", "a", true],
    ["temp?", "tempa", true],
    ["temp?", "temp", false],
    ["[a-c]x", "bx", true],
    ["[^a-c]x", "bx", false],
    ["*.md\n!README.md", "README.md", false],
    ["*.md\n!README.md", "OTHER.md", true],
    ["!README.md\n*.md", "README.md", true],
    ["a\n!a/keep", "a/keep", false],
    ["a\n!a/keep", "a/keep/x", false],
    ["a\n!a/keep", "a/other", true],
    ["# no\n #yes", "#yes", true],
    ["  spaced  ", "spaced", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["a.b", "axb", false],
    ["日本*", "日本語", true],
  ] as const)
    test(`${JSON.stringify(lines)} ${wanted ? "ignores" : "leaves"} ${path}`, () =>
      expect(ignores(lines, path)).toBe(wanted));
});

test("a lone exclamation mark and a broken class are mistakes", () => {
  expect(() => ignorePatterns(["!"])).toThrow("illegal exclusion pattern");
  expect(() => ignorePatterns(["[a"])).toThrow("syntax error in pattern");
});

test("folders that may hold exceptions are looked into", () => {
  const patterns = ignorePatterns(["a", "b", "!a/b/c"]);
  expect([patterns.mayHoldExceptions("a"), patterns.mayHoldExceptions("a/b"), patterns.mayHoldExceptions("b")]).toEqual(
    [true, true, false],
  );
});
