import { expect, test } from "bun:test";
import type { PortRequest } from "../network.ts";
import { PortConflict, PortTable } from "./port-table.ts";

const request = (wish: Partial<PortRequest>): PortRequest => ({
  containerPort: 80,
  protocol: "tcp",
  hostIp: "",
  hostPort: 0,
  ...wish,
});
const one = { containerId: "1", containerName: "one" };
const two = { containerId: "2", containerName: "two" };
const none = { avoid: new Set<string>(), routed: [] };

function conflictOf(work: () => unknown): PortConflict {
  try {
    work();
  } catch (error) {
    if (error instanceof PortConflict) return error;
    throw error;
  }
  throw new Error("no conflict");
}

test("a port on all addresses is one of IPv4 and one of IPv6, where the host has IPv6", () => {
  expect(
    new PortTable({ ipv6: true }).allocate([request({ hostPort: 8080 })], one, none).map(({ hostIp }) => hostIp),
  ).toEqual(["0.0.0.0", "::"]);
  expect(
    new PortTable({ ipv6: false }).allocate([request({ hostPort: 8080 })], one, none).map(({ hostIp }) => hostIp),
  ).toEqual(["0.0.0.0"]);
});

test("free ports are given in turn, round the range, and not the refused ones", () => {
  const table = new PortTable({ ipv6: true, ephemeral: [100, 103] });
  const give = (avoid = none) => table.allocate([request({})], one, avoid)[0]?.hostPort;
  expect([give(), give(), give({ avoid: new Set(["tcp 102"]), routed: [] })]).toEqual([100, 101, 103]);
  expect(give()).toBe(102);
  expect(conflictOf(give).owner?.containerName).toBe("one");
});

test("the same port of other addresses and protocols is another port; wildcards meet all of their family", () => {
  const table = new PortTable({ ipv6: true });
  table.allocate([request({ hostIp: "127.0.0.1", hostPort: 80 })], one, none);
  table.allocate(
    [
      request({ hostIp: "127.0.0.2", hostPort: 80 }),
      request({ hostIp: "::", hostPort: 80 }),
      request({ protocol: "udp", hostPort: 80 }),
    ],
    two,
    none,
  );
  expect(conflictOf(() => table.allocate([request({ hostPort: 80 })], two, none)).owner?.containerName).toBe("one");
  expect(
    conflictOf(() => table.allocate([request({ hostIp: "fd00::1", hostPort: 80 })], one, none)).owner?.containerName,
  ).toBe("two");
});

test("of a range the first free port is given; a request that fails keeps none of the others", () => {
  const table = new PortTable({ ipv6: true });
  table.allocate([request({ hostPort: 9000 })], one, none);
  expect(table.allocate([request({ hostPort: [9000, 9002] })], two, none)[0]?.hostPort).toBe(9001);
  conflictOf(() => table.allocate([request({ hostPort: 9002 }), request({ hostPort: 9000 })], two, none));
  expect(table.allocate([request({ hostPort: 9002 })], one, none)[0]?.hostPort).toBe(9002);
});
