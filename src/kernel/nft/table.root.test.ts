import { expect, test } from "bun:test";
import { NetlinkSocket } from "../netlink/netlink-socket.ts";
import { connectionState, destination, equals, inSet, masked, meta, differs, payload, verdict } from "./expressions.ts";
import { replaceTable } from "./table.ts";

const name = `nft_table_${process.pid}`;
const list = (family: string): string =>
  Bun.spawnSync(["nft", "-n", "list", "table", family, name]).stdout.toString().replaceAll(/\s+/g, " ");

test("a table written by messages is shown by nft as it was meant, and replaced as a whole", () => {
  using socket = NetlinkSocket.open("netfilter");
  try {
    const redirect = (port: number): void =>
      replaceTable(socket, {
        family: "ip",
        name,
        sets: [],
        chains: [
          {
            name: "output",
            type: "nat",
            hook: "output",
            priority: -100,
            policy: "accept",
            rules: [
              [
                payload("network", 16, 4),
                equals(Uint8Array.of(127, 9, 9, 9)),
                meta("l4proto"),
                equals(Uint8Array.of(17)),
                payload("transport", 2, 2),
                equals(Uint8Array.of(0, 53)),
                ...destination(Uint8Array.of(127, 9, 9, 9), Uint8Array.of(port >> 8, port & 255)),
              ],
            ],
          },
        ],
      });
    redirect(1234);
    redirect(5678);
    expect(list("ip")).toContain("type nat hook output priority -100; policy accept;");
    expect(list("ip")).toContain("ip daddr 127.9.9.9 udp dport 53 dnat to 127.9.9.9:5678");
    expect(list("ip")).not.toContain("1234");
  } finally {
    Bun.spawnSync(["nft", "delete", "table", "ip", name]);
  }
});

test("sets, states, masks and verdicts are shown by nft as they were meant", () => {
  using socket = NetlinkSocket.open("netfilter");
  try {
    replaceTable(socket, {
      family: "inet",
      name,
      sets: [
        { name: "four", addressBytes: 4 },
        { name: "six", addressBytes: 16 },
      ],
      chains: [
        {
          name: "out",
          type: "filter",
          hook: "output",
          priority: 300,
          policy: "accept",
          rules: [
            [connectionState, masked(Uint8Array.of(6, 0, 0, 0)), differs(new Uint8Array(4)), verdict("accept")],
            [meta("nfproto"), equals(Uint8Array.of(2)), payload("network", 16, 4), inSet("four"), verdict("accept")],
            [
              meta("nfproto"),
              equals(Uint8Array.of(2)),
              payload("network", 16, 4),
              masked(Uint8Array.of(255, 255, 255, 0)),
              equals(Uint8Array.of(198, 51, 100, 0)),
              verdict("drop"),
            ],
          ],
        },
      ],
    });
    const text = list("inet");
    expect(text).toContain("set four { type ipv4_addr flags timeout }");
    expect(text).toContain("set six { type ipv6_addr flags timeout }");
    expect(text).toMatch(/ct state (established,related|0x6|2,4|0x2,0x4) accept/);
    expect(text).toContain("ip daddr @four accept");
    expect(text).toContain("ip daddr 198.51.100.0/24 drop");
  } finally {
    Bun.spawnSync(["nft", "delete", "table", "inet", name]);
  }
});
