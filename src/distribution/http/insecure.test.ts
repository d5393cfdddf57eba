import { expect, test } from "bun:test";
import { isInsecure } from "./insecure.ts";

test("the own machine needs no TLS, by address and by name", async () => {
  for (const host of ["127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "localhost:5000"])
    expect(await isInsecure(host, [])).toBe(true);
  for (const host of ["10.0.0.1:5000", "registry.test", "registry-1.docker.io"])
    expect(await isInsecure(host, [])).toBe(false);
});

test("listed names count with their port, listed CIDRs for addresses", async () => {
  expect(await isInsecure("reg.test:5000", ["reg.test:5000"])).toBe(true);
  expect(await isInsecure("reg.test:5001", ["reg.test:5000"])).toBe(false);
  expect(await isInsecure("reg.test:5000", ["http://reg.test:5000/"])).toBe(true);
  expect(await isInsecure("10.1.2.3:5000", ["10.0.0.0/8"])).toBe(true);
  expect(await isInsecure("11.1.2.3:5000", ["10.0.0.0/8"])).toBe(false);
});

test("a name that cannot be looked up is judged by its name alone", async () => {
  expect(await isInsecure("nowhere.invalid", ["10.0.0.0/8"])).toBe(false);
});
