import { expect, test } from "bun:test";
import { AddressPool } from "./address-pool.ts";

const pool = (wish: object = {}) => new AddressPool({ subnet: "10.9.0.0/29", gateway: "10.9.0.1", ...wish });

test("allocate() gives every address but the network's, the gateway's, the reserved ones and the broadcast, each once", () => {
  const addresses = pool({ auxAddresses: { router: "10.9.0.4" } });
  expect(Array.from({ length: 5 }, () => addresses.allocate())).toEqual([
    "10.9.0.2",
    "10.9.0.3",
    "10.9.0.5",
    "10.9.0.6",
    undefined,
  ]);
});

test("a released address rests while others are free, and is given when none is", () => {
  const addresses = pool();
  expect(addresses.allocate()).toBe("10.9.0.2");
  addresses.release("10.9.0.2");
  expect(addresses.allocate()).toBe("10.9.0.3");
  expect(["10.9.0.4", "10.9.0.5", "10.9.0.6"]).toEqual(Array.from({ length: 3 }, () => addresses.allocate() ?? ""));
  addresses.release("10.9.0.5");
  expect(addresses.allocate()).toBe("10.9.0.2");
  expect(addresses.allocate()).toBe("10.9.0.5");
  expect(addresses.allocate()).toBeUndefined();
});

test("a range limits what is chosen, not what may be claimed", () => {
  const addresses = pool({ ipRange: "10.9.0.4/31" });
  expect(addresses.claim("10.9.0.2")).toBe("10.9.0.2");
  expect([addresses.allocate(), addresses.allocate(), addresses.allocate()]).toEqual([
    "10.9.0.4",
    "10.9.0.5",
    undefined,
  ]);
});

test("claim() refuses the gateway and what is taken; a double release frees nothing of others", () => {
  const addresses = pool();
  expect(() => addresses.claim("10.9.0.1")).toThrow("Address already in use");
  expect(addresses.claim("10.9.0.3")).toBe("10.9.0.3");
  expect(() => addresses.claim("10.9.0.3")).toThrow("Address already in use");
  addresses.release("10.9.0.3");
  addresses.release("10.9.0.3");
  expect(addresses.claim("10.9.0.3")).toBe("10.9.0.3");
});

test("an IPv6 pool of 2^64 addresses allocates at once", () => {
  const addresses = new AddressPool({ subnet: "fd00:1::/64", gateway: "fd00:1::1" });
  expect(addresses.allocate()).toBe("fd00:1::2");
  expect(addresses.allocate()).toBe("fd00:1::3");
});
