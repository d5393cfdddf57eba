import { describe, expect, test } from "bun:test";
import { expand } from "./variables.ts";

const values: Record<string, string> = { a: "one", empty: "", path: "dir/sub/file.tar.gz", sp: "x  y", star: "a*b" };
const lookup = (name: string): string | undefined => values[name];
const text = (source: string, escape = "\\"): string => expand(source, lookup, { escape }).text;

describe("variables are expanded in all their forms", () => {
  for (const [source, wanted] of [
    ["$a", "one"],
    ["${a}", "one"],
    ["x${a}y$a/z", "xoney" + "one/z"],
    ["$unset", ""],
    ["${unset:-w}", "w"],
    ["${empty:-w}", "w"],
    ["${empty-w}", ""],
    ["${unset-w}", "w"],
    ["${a:+w}", "w"],
    ["${empty:+w}", ""],
    ["${empty+w}", "w"],
    ["${unset+w}", ""],
    ["${a:?needed}", "one"],
    ["${unset:-${a}}", "one"],
    ["${unset:-$empty}", ""],
    ["${path#*/}", "sub/file.tar.gz"],
    ["${path##*/}", "file.tar.gz"],
    ["${path%.*}", "dir/sub/file.tar"],
    ["${path%%.*}", "dir/sub/file"],
    ["${path%/*}", "dir/sub"],
    ["${path/sub/x}", "dir/x/file.tar.gz"],
    ["${path//a/x}", "dir/sub/file.txr.gz"],
    ["${path/f?le/y}", "dir/sub/y.tar.gz"],
    ["${star/\\*/-}", "a-b"],
    ["\\$a", "$a"],
    ["\\${a}", "${a}"],
    ["'$a'", "$a"],
    ['"$a"', "one"],
    ['"a\\"b"', 'a"b'],
    ['"a\\nb"', "a\\nb"],
    ["a\\nb", "anb"],
    ["$", "$"],
    ["$$", ""],
    ["${a}}", "one}"],
    ["日本$a", "日本one"],
  ] as const)
    test(`${source} is ${JSON.stringify(wanted)}`, () => expect(text(source)).toBe(wanted));
});

test("the escape character of the file is the one that counts", () => {
  expect(text("`$a C:\\dir", "`")).toBe("$a C:\\dir");
});

test("blanks of variables part words, quoted ones do not", () => {
  expect(expand("$sp 'a b' c\\ d", lookup, { escape: "\\" }).words).toEqual(["x", "y", "a b", "c d"]);
});

test("what is used and what is not set are told", () => {
  const { used, unset } = expand("$a ${nope:-x} $zip", lookup, { escape: "\\" });
  expect([[...used], [...unset]]).toEqual([["a"], ["nope", "zip"]]);
});

describe("mistakes are told", () => {
  for (const [source, wanted] of [
    ["${a", "missing '}'"],
    ["${", "missing '}'"],
    ["${}", "bad substitution"],
    ["${:-x}", "bad substitution"],
    ["${unset:?no way}", "unset: no way"],
    ["${unset?}", "unset: is not allowed to be unset"],
    ["${empty:?}", "empty: is not allowed to be empty"],
    ["${a:x}", "unsupported modifier (:x)"],
    ["${a:#x}", "unsupported modifier (:#)"],
    ["${a^}", "unsupported modifier (^)"],
    ["${a/x}", "missing '/'"],
    ["'a", "single-quote"],
    ['"a', "double-quote"],
  ] as const)
    test(source, () => expect(() => text(source)).toThrow(wanted));
});

describe("what strangers write ends soon", () => {
  const expandWith =
    (source: string, value: string): (() => unknown) =>
    () =>
      expand(source, () => value, { escape: "\\" });
  test("a variable made of itself many times over", () => {
    expect(expandWith("$x$x$x", "a".repeat(50_000))).toThrow("variables add more than");
    expect(expandWith(`\${x//a/${"b".repeat(1000)}}`, "a".repeat(1000))).toThrow("variables add more than");
  });
  test("patterns of many stars", () => {
    for (const operator of ["#", "##", "%", "%%"])
      expect(expandWith(`\${x${operator}${"*a".repeat(20)}b}`, "a".repeat(1000))).toThrow("too many stars");
    expect(expandWith(`\${x//${"*a".repeat(20)}b/c}`, "a".repeat(1000))).toThrow("too many stars");
  });
});
