import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Trash } from "./trash.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth-trash-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("a tree of any depth, with names that are no text, goes; what its links lead to stays", async () => {
  mkdirSync(join(dir, "kept"));
  writeFileSync(join(dir, "kept/file"), "x");
  mkdirSync(join(dir, "tree"));
  symlinkSync(join(dir, "kept"), join(dir, "tree/link"));
  // deeper than PATH_MAX: no single path reaches the end
  const made = Bun.spawnSync([
    "python3",
    "-c",
    `import os
os.chdir(${JSON.stringify(join(dir, "tree"))})
for i in range(3000):
    os.mkdir("d"); os.chdir("d"); open(b"\\xff\\xfe", "w").close()
`,
  ]);
  expect(made.exitCode).toBe(0);
  chmodSync(join(dir, "tree"), 0);
  const trash = new Trash(join(dir, "trash"));
  trash.put(join(dir, "tree"));
  trash.put(join(dir, "nothing"));
  await trash.settled();
  expect(readdirSync(dir).sort()).toEqual(["kept", "trash"]);
  expect(readdirSync(join(dir, "trash"))).toEqual([]);
  expect(readdirSync(join(dir, "kept"))).toEqual(["file"]);
});

test("what an earlier process left is deleted by the next one, also pieces of a tree", async () => {
  mkdirSync(join(dir, "trash/1-2-3.a.1/below"), { recursive: true });
  mkdirSync(join(dir, "trash/1-2-3"), { recursive: true });
  const trash = new Trash(join(dir, "trash"));
  await trash.settled();
  expect(readdirSync(join(dir, "trash"))).toEqual([]);
});

test("what cannot be deleted stays, and does not hold up the rest", async () => {
  mkdirSync(join(dir, "trash"));
  mkdirSync(join(dir, "busy/mnt"), { recursive: true });
  writeFileSync(join(dir, "other"), "x");
  Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", join(dir, "busy/mnt")]);
  const trash = new Trash(join(dir, "trash"));
  trash.put(join(dir, "busy"));
  trash.put(join(dir, "other"));
  await trash.settled();
  const [left = ""] = readdirSync(join(dir, "trash"));
  expect(readdirSync(join(dir, "trash", left))).toEqual(["mnt"]);
  Bun.spawnSync(["umount", join(dir, "trash", left, "mnt")]);
  const next = new Trash(join(dir, "trash"));
  await next.settled();
  expect(readdirSync(join(dir, "trash"))).toEqual([]);
});
