import { describe, expect, test } from "bun:test";
import { absolute, place, rebaseName, renamed, splitEntry } from "./path-entry.ts";

test("splitEntry() keeps the dot that means the contents", () => {
  expect(splitEntry("/a/b")).toEqual({ folder: "/a", base: "b" });
  expect(splitEntry("/a/b/")).toEqual({ folder: "/a", base: "b" });
  expect(splitEntry("/a/b/.")).toEqual({ folder: "/a/b", base: "." });
  expect(splitEntry("/a")).toEqual({ folder: "/", base: "a" });
  expect(splitEntry("a")).toEqual({ folder: ".", base: "a" });
});

test("absolute() keeps what an end means", () => {
  expect(absolute("x/", "/w")).toBe("/w/x/");
  expect(absolute(".", "/w")).toBe("/w/.");
  expect(absolute("../x/.", "/w/v")).toBe("/w/x/.");
  expect(absolute("/a//b/../c", "/w")).toBe("/a/c");
});

// the table of `docker cp`, measured with docker 28.2.2
describe("place", () => {
  const file = { path: "/s/f", isFolder: false };
  const folder = { path: "/s/d", isFolder: true };

  test("into a folder that is there, nothing is renamed", () => {
    expect(place(file, { path: "/t", exists: true, isFolder: true })).toEqual({ folder: "/t" });
  });

  test("a file onto a file, or to a new name, takes that name", () => {
    expect(place(file, { path: "/t/g", exists: true, isFolder: false })).toEqual({
      folder: "/t",
      rename: { from: "f", to: "g" },
    });
    expect(place(file, { path: "/t/g", exists: false, isFolder: false })).toEqual({
      folder: "/t",
      rename: { from: "f", to: "g" },
    });
  });

  test("a folder makes the folder that is not there, and is no file", () => {
    expect(place(folder, { path: "/t/new", exists: false, isFolder: false })).toEqual({
      folder: "/t",
      rename: { from: "d", to: "new" },
    });
    expect(place({ path: "/s/d/.", isFolder: true }, { path: "/t/new", exists: false, isFolder: false })).toEqual({
      folder: "/t",
      rename: { from: ".", to: "new" },
    });
    expect(() => place(folder, { path: "/t/g", exists: true, isFolder: false })).toThrow("cannot copy directory");
  });

  test("a file into a folder that is not there is refused", () => {
    expect(() => place(file, { path: "/t/new/", exists: false, isFolder: false })).toThrow("no such directory");
  });
});

test("renamed() changes the first part alone", () => {
  const rename = { from: "a", to: "b" };
  expect(renamed("a", rename)).toBe("b");
  expect(renamed("a/a/x", rename)).toBe("b/a/x");
  expect(renamed("ab/x", rename)).toBe("ab/x");
  expect(renamed("./x", { from: ".", to: "new" })).toBe("new/x");
});

test("rebaseName() gives a link's own name to what it leads to", () => {
  expect(rebaseName("/w/link", "/t/real")).toEqual({ path: "/t/real", name: "link" });
  expect(rebaseName("/w/link/.", "/t/real")).toEqual({ path: "/t/real/.", name: undefined });
});
