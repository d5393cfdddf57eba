import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readKeyValueFile, resolveEnv } from "./env-file.ts";
import { parseSecurityOptions } from "./security-opt.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-values-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("readKeyValueFile() keeps values as they are and looks names up", () => {
  const path = file("env", "\ufeffA=1\n# note\n\n  B= two \r\nSET\nUNSET\nC=a=b\nD=");
  expect(readKeyValueFile(path, { lookup: (name) => ({ SET: "yes" })[name] })).toEqual([
    "A=1",
    "B= two ",
    "SET=yes",
    "C=a=b",
    "D=",
  ]);
  expect(readKeyValueFile(path)).toEqual(["A=1", "B= two ", "C=a=b", "D="]);
});

test("readKeyValueFile() refuses in docker's words", () => {
  const spaced = file("spaced", "a b=1\n");
  expect(() => readKeyValueFile(spaced)).toThrow(`invalid env file (${spaced}): variable 'a b' contains whitespaces`);
  const nameless = file("nameless", "\n=1\n");
  expect(() => readKeyValueFile(nameless)).toThrow(`invalid env file (${nameless}): no variable name on line '=1'`);
  const binary = file("binary", Buffer.from([0x61, 0x3d, 0xff, 0x0a]));
  expect(() => readKeyValueFile(binary)).toThrow(
    `invalid env file (${binary}): invalid utf8 bytes at line 1: [97 61 255]`,
  );
  expect(() => readKeyValueFile(join(folder, "missing"))).toThrow(
    `open ${join(folder, "missing")}: no such file or directory`,
  );
});

test("resolveEnv() takes a bare name from the environment", () => {
  expect(resolveEnv("A=b", {})).toBe("A=b");
  expect(resolveEnv("A", { A: "x" })).toBe("A=x");
  expect(resolveEnv("A", {})).toBe("A");
  expect(() => resolveEnv("=x", {})).toThrow("invalid environment variable: =x");
});

test("parseSecurityOptions() sends the profile's content", () => {
  const profile = file("seccomp.json", '{ "defaultAction": "SCMP_ACT_ALLOW" }\n');
  expect(parseSecurityOptions([`seccomp=${profile}`, "no-new-privileges", "seccomp=unconfined", "apparmor:x"])).toEqual(
    {
      options: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "no-new-privileges", "seccomp=unconfined", "apparmor:x"],
      maskedPaths: undefined,
      readonlyPaths: undefined,
    },
  );
  expect(parseSecurityOptions(["systempaths=unconfined"])).toEqual({ options: [], maskedPaths: [], readonlyPaths: [] });
});

test("parseSecurityOptions() refuses in docker's words", () => {
  for (const value of ["foo", "apparmor", "seccomp="])
    expect(() => parseSecurityOptions([value])).toThrow(`Invalid --security-opt: "${value}"`);
  expect(() => parseSecurityOptions(["seccomp=/nonex"])).toThrow(
    "opening seccomp profile (/nonex) failed: open /nonex: no such file or directory",
  );
  const broken = file("broken.json", "a\n");
  expect(() => parseSecurityOptions([`seccomp=${broken}`])).toThrow(
    `compacting json for seccomp profile (${broken}) failed`,
  );
});
