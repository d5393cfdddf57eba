import { availableParallelism } from "node:os";
import { expect, test } from "bun:test";
import { readCreateHost } from "./read-host.ts";
import { parseCpuset } from "./resources/cpuset.ts";

test("readCreateHost() knows this machine", () => {
  const host = readCreateHost();
  expect(host.platform).toMatch(/^linux\/[a-z0-9]+$/);
  expect(host.cpus).toBe(availableParallelism());
  expect(parseCpuset(host.cpusetCpus)?.size).toBeGreaterThan(0);
  expect(parseCpuset(host.cpusetMems)?.has(0)).toBe(true);
  expect(host.hostname).not.toBe("");
  expect([1, 2]).toContain(host.cgroupVersion);
});

test("parseCpuset() reads the kernel's lists and nothing else", () => {
  expect([...(parseCpuset("0-2,5, 7") ?? [])]).toEqual([0, 1, 2, 5, 7]);
  expect(parseCpuset("")?.size).toBe(0);
  for (const bad of ["a", "1-", "3-1", "-1", "0-99999999", "1,,2"]) expect(parseCpuset(bad)).toBeUndefined();
});
