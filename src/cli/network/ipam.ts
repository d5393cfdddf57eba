import { isIP } from "node:net";
import { EngineError } from "../../base/errors.ts";
import type { IPAMConfig } from "../../spec/engine/types.gen.ts";

export interface IpamFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxiliary: Readonly<Record<string, string>>;
}

const invalid = (message: string): EngineError => new EngineError("invalid", message);

/** Puts ranges, gateways and auxiliary addresses to the subnets they lie in, with docker's checks and texts. */
export function assembleIpam({ subnets, ranges, gateways, auxiliary }: IpamFlags): IPAMConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw invalid("every ip-range or gateway must have a corresponding subnet");
  const configs = new Map<string, IPAMConfig>();
  for (const subnet of subnets) {
    for (const other of configs.keys()) {
      if (other !== subnet && (contains(other, subnet) || contains(subnet, other)))
        throw invalid("multiple overlapping subnet configuration is not supported");
    }
    configs.set(subnet, { Subnet: subnet });
  }
  const place = (address: string, what: string, set: (config: IPAMConfig) => void): void => {
    const found = [...configs].filter(([subnet]) => contains(subnet, address));
    if (found.length === 0) throw invalid(`no matching subnet for ${what} ${address}`);
    for (const [, config] of found) set(config);
  };
  for (const range of ranges) {
    place(range, "range", (config) => {
      if (config.IPRange)
        throw invalid(
          `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet ?? ""})`,
        );
      config.IPRange = range;
    });
  }
  for (const gateway of gateways) {
    place(gateway, "gateway", (config) => {
      if (config.Gateway)
        throw invalid(
          `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet ?? ""})`,
        );
      config.Gateway = gateway;
    });
  }
  for (const [name, address] of Object.entries(auxiliary)) {
    place(address, "aux-address", (config) => {
      (config.AuxiliaryAddresses ??= {})[name] = address;
    });
  }
  return [...configs.values()];
}

/** Whether a subnet holds an address or the whole of another subnet's first address. */
function contains(subnet: string, other: string): boolean {
  const network = parse(subnet);
  const address = parse(other);
  if (network === undefined) throw invalid(`invalid CIDR address: ${subnet}`);
  if (address === undefined) throw invalid(`invalid address: ${other}`);
  if (network.bits !== address.bits) return false;
  const shift = BigInt(network.bits - network.prefix);
  return network.value >> shift === address.value >> shift;
}

function parse(text: string): { value: bigint; prefix: number; bits: 32 | 128 } | undefined {
  const [address = "", prefixText, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes("%")) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (prefixText !== undefined && (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > bits)) return undefined;
  return {
    value: family === 4 ? ipv4(address) : ipv6(address),
    prefix: prefixText === undefined ? bits : Number(prefixText),
    bits,
  };
}

const ipv4 = (text: string): bigint => text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);

function ipv6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain =
    dotted === null
      ? text
      : `${dotted[1]}${(ipv4(dotted[2] ?? "") >> 16n).toString(16)}:${(ipv4(dotted[2] ?? "") & 0xffffn).toString(16)}`;
  const [head = "", tail] = plain.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const middle = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...middle, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
