import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bindMount,
  isMounted,
  mount,
  mountFlags,
  mounts,
  remount,
  setPropagation,
  unmount,
  unmountAll,
} from "./mount.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth mount-"))));
afterEach(() => {
  unmountAll(dir);
  rmSync(dir, { recursive: true, force: true });
});

test("a bind mount shows the source, is found by isMounted() and mounts(), and goes with unmount()", () => {
  const [source, target] = [join(dir, "a"), join(dir, "b")];
  for (const path of [source, target]) mkdirSync(path);
  writeFileSync(join(source, "f"), "hello");
  expect(isMounted(target)).toBe(false);
  bindMount(source, target, { readOnly: true });
  expect(readFileSync(join(target, "f"), "utf8")).toBe("hello");
  expect(() => writeFileSync(join(target, "f"), "x")).toThrow("EROFS");
  expect(isMounted(target)).toBe(true);
  // the folder's name has a blank, which mountinfo escapes
  expect(mounts({ under: dir }).map((entry) => entry.target)).toEqual([target]);
  expect(unmount(target)).toBe(true);
  expect(unmount(target)).toBe(false);
  expect(unmount(join(dir, "none"))).toBe(false);
  expect(isMounted(join(dir, "none"))).toBe(false);
});

test("setPropagation() and remount() change what mountinfo says", () => {
  mount({ source: "tmpfs", target: dir, type: "tmpfs", flags: mountFlags.noSuid, data: "size=1m" });
  setPropagation(dir, "shared");
  expect(mounts({ under: dir })[0]?.sharedGroup).toBeGreaterThan(0);
  setPropagation(dir, "private");
  expect(mounts({ under: dir })[0]?.sharedGroup).toBe(0);
  remount(dir, mountFlags.readOnly);
  expect(mounts({ under: dir })[0]?.options.split(",")).toContain("ro");
});

test("unmount() with detach lets go of a busy mount", () => {
  mount({ source: "tmpfs", target: dir, type: "tmpfs" });
  const holder = Bun.spawn(["sleep", "60"], { cwd: dir });
  try {
    expect(() => unmount(dir)).toThrow("EBUSY");
    expect(unmount(dir, { detach: true })).toBe(true);
    expect(isMounted(dir)).toBe(false);
  } finally {
    holder.kill();
  }
});

test("mount() refuses options that the kernel would cut at a page", () => {
  expect(() => mount({ source: "tmpfs", target: dir, type: "tmpfs", data: `size=1m,${"x".repeat(4100)}` })).toThrow(
    "E2BIG",
  );
});
