import { expect, test } from "bun:test";
import { effectiveCapabilities } from "./effective-capabilities.ts";

test("names get their prefix, ALL stands alone, and what is added is not dropped", () => {
  expect(effectiveCapabilities(["net_admin", "CAP_CHOWN"], ["all"])).toEqual({
    CapAdd: ["CAP_CHOWN", "CAP_NET_ADMIN"],
    CapDrop: ["ALL"],
  });
  expect(effectiveCapabilities(["chown"], ["chown", "kill"])).toEqual({ CapAdd: ["CAP_CHOWN"], CapDrop: ["CAP_KILL"] });
  expect(effectiveCapabilities([], [])).toEqual({ CapAdd: null, CapDrop: null });
});
