import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync, writeSync, openSync } from "node:fs";
import { join } from "node:path";
import { sealedProgram } from "./sealed-program.ts";

test("sealedProgram() gives a copy that runs and that nobody can write", () => {
  const folder = mkdtempSync("/tmp/berth-seal-");
  const path = join(folder, "program");
  copyFileSync("/bin/busybox", path);
  chmodSync(path, 0o755);
  const copy = sealedProgram(path);
  expect(copy).toMatch(/^\/proc\/\d+\/fd\/\d+$/);
  expect(sealedProgram(path)).toBe(copy);
  expect(Bun.spawnSync([copy, "echo", "runs"], { argv0: "busybox" }).stdout.toString()).toBe("runs\n");
  const fd = openSync(copy, "r+");
  expect(() => writeSync(fd, "x", 0)).toThrow("EPERM");
  // another program at the same path is another copy
  copyFileSync("/bin/true", path);
  expect(sealedProgram(path)).not.toBe("");
  expect(Bun.spawnSync([sealedProgram(path)]).exitCode).toBe(0);
  rmSync(folder, { recursive: true });
});

test("a script, and a program that is not there, are run by their own path", () => {
  const folder = mkdtempSync("/tmp/berth-seal-");
  const script = join(folder, "crun");
  writeFileSync(script, "#!/bin/sh\n", { mode: 0o755 });
  expect(sealedProgram(script)).toBe(script);
  expect(sealedProgram(join(folder, "nope"))).toBe(join(folder, "nope"));
  rmSync(folder, { recursive: true });
});
