import { expect, test } from "bun:test";
import {
  availableCapabilities,
  capabilitiesOfMask,
  capabilityNumber,
  defaultCapabilities,
  resolveCapabilities,
} from "./capabilities.ts";

const all = capabilitiesOfMask("1ffffffffff");
const resolve = (add: string[], drop: string[], privileged = false) =>
  resolveCapabilities({ add, drop, privileged }, all);

test("the default set is the mask Docker's containers show", () => {
  const mask = defaultCapabilities.reduce((sum, name) => sum | (1n << BigInt(capabilityNumber(name) ?? 99)), 0n);
  expect(mask.toString(16)).toBe("a80425fb");
});

test("capabilitiesOfMask() names all 41 bits of Linux 6.18", () => {
  expect(all).toHaveLength(41);
  expect(capabilitiesOfMask("200000")).toEqual(["CAP_SYS_ADMIN"]);
  expect(capabilitiesOfMask("0")).toEqual([]);
});

test("resolveCapabilities() adds and drops by any spelling", () => {
  expect(resolve([], [])).toEqual([...defaultCapabilities]);
  expect(resolve(["net_admin"], ["CAP_MKNOD", "kill"])).toEqual([
    ...defaultCapabilities.filter((name) => name !== "CAP_MKNOD" && name !== "CAP_KILL"),
    "CAP_NET_ADMIN",
  ]);
  expect(resolve(["CHOWN", "cap_chown"], [])).toEqual([...defaultCapabilities]);
});

test("resolveCapabilities() knows ALL on both sides", () => {
  expect(resolve(["ALL"], ["SYS_ADMIN"])).toEqual(all.filter((name) => name !== "CAP_SYS_ADMIN"));
  expect(resolve(["NET_RAW"], ["all"])).toEqual(["CAP_NET_RAW"]);
  expect(resolve([], ["ALL"])).toEqual([]);
  expect(resolve(["ALL"], ["ALL"])).toEqual(all);
});

test("resolveCapabilities() gives a privileged container everything, whatever is dropped", () => {
  expect(resolve([], ["ALL"], true)).toEqual(all);
});

test("resolveCapabilities() refuses unknown names with Docker's text", () => {
  expect(() => resolve(["NOPE"], [])).toThrow('invalid CapAdd: unknown capability: "CAP_NOPE"');
  expect(() => resolve([], ["cap_what"])).toThrow('invalid CapDrop: unknown capability: "CAP_WHAT"');
  expect(() => resolve([""], [])).toThrow('unknown capability: "CAP_"');
});

test("resolveCapabilities() refuses what this engine has not itself", () => {
  const few = all.filter((name) => name !== "CAP_SYS_RESOURCE");
  expect(() => resolveCapabilities({ add: ["SYS_RESOURCE"], drop: [], privileged: false }, few)).toThrow(
    'invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
  );
  expect(resolveCapabilities({ add: ["ALL"], drop: [], privileged: false }, few)).toEqual(few);
});

test("availableCapabilities() are those of this process", () => {
  expect(all).toEqual(expect.arrayContaining([...availableCapabilities()]));
});
