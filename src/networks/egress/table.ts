import { contains, formatIp, ipBytes, parseCidr, parseIp } from "../../base/ip.ts";
import {
  connectionState,
  differs,
  equals,
  type Expression,
  inSet,
  masked,
  meta,
  payload,
  verdict,
} from "../../kernel/nft/expressions.ts";
import type { TableSpec } from "../../kernel/nft/table.ts";

/** In the container's own namespace. */
export const egressTable = "berth_egress";
/** What names stand for goes in here; by address family. */
export const egressSets = { 4: "named4", 6: "named6" } as const;

export interface EgressRules {
  /** Subnets that may be reached, besides the container's own. */
  readonly allowed: readonly string[];
  /** The container's own networks, whose other containers it may reach. */
  readonly own: readonly string[];
  /** The host's addresses in them: these are not other containers. */
  readonly gateways: readonly string[];
  /** Name servers, which are asked from inside. */
  readonly servers: readonly string[];
}

const nfprotos = { 4: 2, 6: 10 } as const;
const destinationOffset = { 4: 16, 6: 24 } as const;
// established and related, as bits of the connection's state in the byte order of the machine
const answering = Uint8Array.of(6, 0, 0, 0);

/** Everything that leaves the container is dropped but this. Pure. */
export function egressRules({ allowed, own, gateways, servers }: EgressRules): TableSpec {
  const reach = (cidr: string, what: "accept" | "drop"): Expression[] => {
    const parsed = parseCidr(cidr);
    if (parsed === undefined) throw new RangeError(`egress: ${cidr} is no subnet`);
    const { family, start, prefixLength } = parsed;
    const mask = ipBytes({ family, value: maskOf(family, prefixLength) });
    return [...destinationOf(family), masked(mask), equals(ipBytes({ family, value: start })), verdict(what)];
  };
  const covered = (gateway: string): boolean => {
    const ip = parseIp(gateway);
    return ip !== undefined && own.some((cidr) => contains(parseCidr(cidr) ?? noCidr, ip));
  };
  const hosts = gateways.filter(covered).flatMap((text) => {
    const ip = parseIp(text);
    return ip === undefined ? [] : [`${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`];
  });
  return {
    family: "inet",
    name: egressTable,
    sets: [
      { name: egressSets[4], addressBytes: 4 },
      { name: egressSets[6], addressBytes: 16 },
    ],
    chains: [
      {
        name: "output",
        type: "filter",
        hook: "output",
        priority: 0,
        policy: "drop",
        rules: [
          [meta("oifname"), equals(interfaceName("lo")), verdict("accept")],
          [connectionState, masked(answering), differs(new Uint8Array(4)), verdict("accept")],
          ...allowed.map((cidr) => reach(cidr, "accept")),
          ...([4, 6] as const).map((family) => [
            ...destinationOf(family),
            inSet(egressSets[family]),
            verdict("accept"),
          ]),
          ...servers.flatMap((text) => {
            const ip = parseIp(text);
            return ip === undefined
              ? []
              : [
                  [
                    ...destinationOf(ip.family),
                    equals(ipBytes(ip)),
                    payload("transport", 2, 2),
                    equals(domainPort),
                    verdict("accept"),
                  ],
                ];
          }),
          ...hosts.map((cidr) => reach(cidr, "drop")),
          ...own.map((cidr) => reach(cidr, "accept")),
          // neighbour discovery, without which no IPv6 is spoken at all (RFC 4861)
          ...[133, 135, 136].map((type) => [
            meta("l4proto"),
            equals(Uint8Array.of(58)),
            payload("transport", 0, 1),
            equals(Uint8Array.of(type)),
            verdict("accept"),
          ]),
        ],
      },
    ],
  };
}

const domainPort = Uint8Array.of(0, 53);
const noCidr = { family: 4, address: 0n, start: 1n, end: 0n, prefixLength: 0 } as const;

const destinationOf = (family: 4 | 6): Expression[] => [
  meta("nfproto"),
  equals(Uint8Array.of(nfprotos[family])),
  payload("network", destinationOffset[family], family === 4 ? 4 : 16),
];

function maskOf(family: 4 | 6, prefixLength: number): bigint {
  const width = family === 4 ? 32n : 128n;
  const ones = (1n << width) - 1n;
  return ones ^ ((1n << (width - BigInt(prefixLength))) - 1n);
}

/** IFNAMSIZ bytes, as nf_tables compares them. */
function interfaceName(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name));
  return bytes;
}
