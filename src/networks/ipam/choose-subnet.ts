import { createHash } from "node:crypto";
import { EngineError } from "../../base/errors.ts";
import { type Cidr, cidrOf, formatCidr, overlaps, parseCidr } from "../../base/ip.ts";

/** Cut into networks of `size` bits. */
export interface AddressPoolConfig {
  readonly base: string;
  readonly size: number;
}

/** Docker's private ranges, cut smaller: 3840 + 256 networks where Docker has 31. */
export const defaultAddressPools: readonly AddressPoolConfig[] = [
  { base: "172.17.0.0/16", size: 24 },
  { base: "172.18.0.0/15", size: 24 },
  { base: "172.20.0.0/14", size: 24 },
  { base: "172.24.0.0/13", size: 24 },
  { base: "192.168.0.0/16", size: 24 },
];

/** The default bridge holds more containers than one user-defined network is likely to. */
export const defaultBridgePools: readonly AddressPoolConfig[] = defaultAddressPools.map((pool) => ({
  ...pool,
  size: 20,
}));

/**
 * The first subnet of the pools that overlaps nothing taken. `seed` spreads engines of one machine over the pools, so
 * that two that start together rarely choose the same; empty = from the beginning.
 */
export function chooseSubnet(pools: readonly AddressPoolConfig[], taken: readonly Cidr[], seed: string): string {
  const bases = pools.map((pool) => ({ base: baseOf(pool), size: pool.size }));
  const total = bases.reduce((sum, { base, size }) => sum + 2 ** (size - base.prefixLength), 0);
  const offset = seed === "" ? 0 : createHash("sha256").update(seed).digest().readUInt32BE(0) % total;
  for (let tried = 0; tried < total; tried += 1) {
    const candidate = nth(bases, (offset + tried) % total);
    if (!taken.some((other) => overlaps(other, candidate))) return formatCidr(candidate);
  }
  throw new EngineError(
    "internal",
    "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
  );
}

function nth(bases: readonly { base: Cidr; size: number }[], index: number): Cidr {
  let rest = index;
  for (const { base, size } of bases) {
    const count = 2 ** (size - base.prefixLength);
    if (rest < count) return cidrOf({ family: 4, value: base.start + (BigInt(rest) << BigInt(32 - size)) }, size);
    rest -= count;
  }
  throw new RangeError(`pool index ${index}`);
}

function baseOf(pool: AddressPoolConfig): Cidr {
  const base = parseCidr(pool.base);
  if (base === undefined || base.family !== 4)
    throw new EngineError("invalid", `default address pool ${pool.base}: not an IPv4 subnet`);
  if (pool.size < base.prefixLength || pool.size > 30) {
    throw new EngineError(
      "invalid",
      `default address pool ${pool.base}: size ${pool.size} is not between ${base.prefixLength} and 30`,
    );
  }
  return base;
}
