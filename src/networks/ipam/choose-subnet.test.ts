import { expect, test } from "bun:test";
import { overlaps, parseCidr } from "../../base/ip.ts";
import { chooseSubnet, defaultAddressPools, defaultBridgePools } from "./choose-subnet.ts";

const cidrs = (...texts: string[]) => texts.flatMap((text) => parseCidr(text) ?? []);

test("chooseSubnet() takes the first subnet that no route covers, in part or whole", () => {
  expect(chooseSubnet(defaultAddressPools, [], "")).toBe("172.17.0.0/24");
  expect(chooseSubnet(defaultAddressPools, cidrs("172.17.0.0/16", "172.18.0.77/32"), "")).toBe("172.18.1.0/24");
  expect(chooseSubnet(defaultBridgePools, cidrs("172.16.0.0/12"), "")).toBe("192.168.0.0/20");
});

test("thousands of networks find a place, none over another", () => {
  const taken = cidrs("172.17.0.0/16");
  for (let count = 0; count < 300; count += 1) {
    const [chosen] = cidrs(chooseSubnet(defaultAddressPools, taken, "engine"));
    if (chosen === undefined) throw new Error("no subnet");
    expect(taken.some((other) => overlaps(other, chosen))).toBe(false);
    taken.push(chosen);
  }
});

test("engines with different names begin at different places", () => {
  const chosen = new Set(
    Array.from({ length: 20 }, (_, index) => chooseSubnet(defaultBridgePools, [], `engine ${index}`)),
  );
  expect(chosen.size).toBeGreaterThan(15);
});

test("full pools and senseless pools are named", () => {
  expect(() => chooseSubnet(defaultAddressPools, cidrs("0.0.0.0/0"), "")).toThrow(
    "could not find an available, non-overlapping IPv4 address pool",
  );
  expect(() => chooseSubnet([{ base: "10.0.0.0/16", size: 8 }], [], "")).toThrow(
    "default address pool 10.0.0.0/16: size 8 is not between 16 and 30",
  );
  expect(() => chooseSubnet([{ base: "nonsense", size: 24 }], [], "")).toThrow(
    "default address pool nonsense: not an IPv4 subnet",
  );
});
