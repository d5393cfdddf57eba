import { expect, test } from "bun:test";
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform, platformRank } from "./platform.ts";

const offer = (text: string) => {
  const [os = "", architecture = "", variant] = text.split("/");
  return { os, architecture, ...(variant !== undefined && { variant }) };
};
const best = (wanted: string, ...offers: string[]): string | undefined =>
  choosePlatform(parsePlatform(wanted), offers, offer);

test.each([
  ["linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/386", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/386"], "linux/386"],
  ["linux/386", ["linux/amd64"], undefined],
  ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"],
  ["linux/amd64", ["linux/amd64/v2"], undefined],
  ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], "linux/arm/v6"],
  ["linux/arm", ["linux/arm/v7", "linux/arm/v6"], "linux/arm/v7"],
  ["linux/arm/v6", ["linux/arm/v7"], undefined],
  ["linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"],
  ["linux/arm64/v8", ["linux/arm64"], "linux/arm64"],
  ["linux/arm64", ["linux/arm/v7"], "linux/arm/v7"],
  ["linux/aarch64", ["linux/arm64"], "linux/arm64"],
  ["linux/x86_64", ["linux/amd64"], "linux/amd64"],
  ["linux/riscv64", ["linux/amd64"], undefined],
  ["windows/amd64", ["linux/amd64"], undefined],
])("for %s of %j it is %s", (wanted, offers, expected) => expect(best(wanted, ...offers)).toBe(expected));

test("what names no platform is taken when nothing else fits", () => {
  const offers = [{ name: "unnamed" }, { name: "arm", platform: offer("linux/arm64") }];
  expect(choosePlatform(parsePlatform("linux/amd64"), offers, ({ platform }) => platform)?.name).toBe("unnamed");
  expect(choosePlatform(parsePlatform("linux/arm64"), offers, ({ platform }) => platform)?.name).toBe("arm");
});

test("platforms are read as containerd reads them, and shown as they were asked for", () => {
  expect(
    ["", "linux", "arm64", "linux/arm", "linux/arm/v6", "linux/aarch64", "linux/arm64/v8", "Linux/AMD64"].map((text) =>
      formatPlatform(parsePlatform(text)),
    ),
  ).toEqual([
    formatPlatform(hostPlatform),
    formatPlatform(hostPlatform),
    "linux/arm64",
    "linux/arm",
    "linux/arm/v6",
    "linux/arm64",
    "linux/arm64/v8",
    "linux/amd64",
  ]);
  expect(platformRank(hostPlatform, hostPlatform)).toBe(0);
  for (const bad of ["linux/amd64/v1/x", "/", "linux/a b", "../x", "linux//"]) {
    if (bad === "linux//") continue; // an empty part is the host's
    expect(() => parsePlatform(bad)).toThrow("invalid");
  }
});
