import { EngineError } from "../../base/errors.ts";
import { contains, formatCidr, overlaps, parseCidr, parseIp } from "../../base/ip.ts";
import type { Pool } from "../network.ts";

/** Throws one `invalid` naming everything that is wrong with the wanted pools, in Docker's texts. */
export function checkPools(pools: readonly Partial<Pool>[]): void {
  const faults: string[] = pools.flatMap(faultsOf);
  const cidrs = pools.map((pool) => parseCidr(pool.subnet ?? ""));
  for (const [index, one] of cidrs.entries()) {
    const twice = cidrs
      .slice(0, index)
      .some((other) => one !== undefined && other !== undefined && overlaps(one, other));
    if (twice) faults.push(`subnet ${pools[index]?.subnet} overlaps another subnet of the request`);
  }
  if (faults.length > 0) throw new EngineError("invalid", `invalid network config:\n${faults.join("\n")}`);
}

function faultsOf(pool: Partial<Pool>): string[] {
  if (!pool.subnet) {
    return pool.ipRange || Object.keys(pool.auxAddresses ?? {}).length > 0
      ? ["an ip-range or auxiliary address needs a subnet"]
      : [];
  }
  const subnet = parseCidr(pool.subnet);
  if (subnet === undefined) return [`invalid subnet ${pool.subnet}: invalid CIDR block notation`];
  if (subnet.address !== subnet.start) return [`invalid subnet ${pool.subnet}: it should be ${formatCidr(subnet)}`];
  const faults: string[] = [];
  if (subnet.prefixLength > (subnet.family === 4 ? 30 : 126))
    faults.push(`invalid subnet ${pool.subnet}: too small for a gateway and containers`);
  if (pool.ipRange) {
    const range = parseCidr(pool.ipRange);
    if (range === undefined) faults.push(`invalid ip-range ${pool.ipRange}: invalid CIDR block notation`);
    else if (range.address !== range.start)
      faults.push(`invalid ip-range ${pool.ipRange}: it should be ${formatCidr(range)}`);
    else if (range.prefixLength < subnet.prefixLength)
      faults.push(`invalid ip-range ${pool.ipRange}: CIDR block is bigger than its parent subnet ${pool.subnet}`);
    else if (!contains(subnet, { family: range.family, value: range.start }))
      faults.push(`invalid ip-range ${pool.ipRange}: parent subnet ${pool.subnet} doesn't contain ip-range`);
  }
  const wanted = [
    ["gateway", pool.gateway] as const,
    ...Object.values(pool.auxAddresses ?? {}).map((text) => ["auxiliary address", text] as const),
  ];
  for (const [what, text] of wanted) {
    if (!text) continue;
    const ip = parseIp(text);
    if (ip === undefined) faults.push(`invalid ${what} ${text}: invalid address`);
    else if (!contains(subnet, ip))
      faults.push(`invalid ${what} ${text}: parent subnet ${pool.subnet} doesn't contain this address`);
  }
  return faults;
}
