import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "bun:test";
import { safeCwd } from "./process.ts";
import { ensureWorkdir } from "./workdir.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-cwd-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const rootfs = (name: string): string => {
  const path = join(folder, name, "rootfs");
  mkdirSync(path, { recursive: true });
  return path;
};

test("ensureWorkdir() makes what is missing with mode 0755 and leaves the rest", () => {
  const root = rootfs("plain");
  mkdirSync(join(root, "a"), { mode: 0o700 });
  ensureWorkdir(root, "/a/b/c", 0, 0);
  ensureWorkdir(root, "/a/b/c", 0, 0);
  expect(statSync(join(root, "a")).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, "a/b/c")).mode & 0o777).toBe(0o755);
  ensureWorkdir(root, "/", 0, 0);
});

test("ensureWorkdir() follows links inside the rootfs only", () => {
  const root = rootfs("links");
  symlinkSync("/target", join(root, "abs"));
  symlinkSync("../../..", join(root, "up"));
  mkdirSync(join(root, "target"));
  ensureWorkdir(root, "/abs/made", 0, 0);
  ensureWorkdir(root, "/up/escaped", 0, 0);
  expect(existsSync(join(root, "target/made"))).toBe(true);
  expect(existsSync(join(root, "escaped"))).toBe(true);
  expect(existsSync(join(folder, "escaped"))).toBe(false);
});

test("ensureWorkdir() refuses what is no folder, and links that lead nowhere", () => {
  const root = rootfs("bad");
  writeFileSync(join(root, "file"), "");
  symlinkSync("/nowhere", join(root, "dangling"));
  symlinkSync("loop", join(root, "loop"));
  expect(() => ensureWorkdir(root, "/file", 0, 0)).toThrow("Cannot mkdir: /file is not a directory");
  expect(() => ensureWorkdir(root, "/file/below", 0, 0)).toThrow("Cannot mkdir: /file/below is not a directory");
  expect(() => ensureWorkdir(root, "/dangling", 0, 0)).toThrow("is not a directory");
  expect(() => ensureWorkdir(root, "/loop/x", 0, 0)).toThrow();
});

test("a working directory cannot go through descriptors (CVE-2024-21626)", () => {
  for (const cwd of [
    "/proc/self/fd/7",
    "/proc/self/fd/7/../../..",
    "/proc//thread-self/fd/8",
    "/proc/1/root",
    "/proc/self/task/1/cwd/x",
    "/dev/fd/9",
    "//proc/self/fd/3",
  ]) {
    expect(() => safeCwd(cwd)).toThrow("leads out of the container");
    expect(() => ensureWorkdir(rootfs("cve"), cwd, 0, 0)).toThrow("leads out of the container");
  }
  expect(safeCwd("/process/self/fd/7")).toBe("/process/self/fd/7");
});
