import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFlags, openInRoot, openRoot, resolveFlags } from "./openat2.ts";

let dir = "";
let root = -1;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-openat2-"));
  mkdirSync(join(dir, "root/etc"), { recursive: true });
  writeFileSync(join(dir, "root/etc/passwd"), "inside");
  writeFileSync(join(dir, "secret"), "outside");
  root = openRoot(join(dir, "root"));
});
afterEach(() => {
  closeSync(root);
  rmSync(dir, { recursive: true, force: true });
});

function read(path: string, resolve?: number): string {
  const fd = openInRoot(root, path, { flags: openFlags.read, ...(resolve === undefined ? {} : { resolve }) });
  try {
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

test("openInRoot() takes absolute links and `..` as from inside the root", () => {
  symlinkSync("/etc/passwd", join(dir, "root/absolute"));
  symlinkSync("../../../../etc/passwd", join(dir, "root/up"));
  for (const path of ["absolute", "up", "/etc/passwd", "../../etc/passwd"]) expect(read(path)).toBe("inside");
});

test("openInRoot() never reaches a file beside the root", () => {
  symlinkSync(join(dir, "secret"), join(dir, "root/out"));
  symlinkSync("../secret", join(dir, "root/beside"));
  for (const path of ["out", "beside", "../secret", `/proc/self/cwd`]) expect(() => read(path)).toThrow("ENOENT");
});

test("openInRoot() refuses every link when told so", () => {
  symlinkSync("passwd", join(dir, "root/etc/link"));
  expect(() => read("etc/link", resolveFlags.beneath | resolveFlags.noSymlinks)).toThrow("ELOOP");
});
