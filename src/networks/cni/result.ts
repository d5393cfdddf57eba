import { EngineError } from "../../base/errors.ts";
import { formatIp, parseCidr, parseIp } from "../../base/ip.ts";
import { isObject } from "./conflist.ts";

/** What a list of plugins says it made. spec 1.1, "Success" */
export interface CniResult {
  readonly ipv4: string;
  readonly ipv4PrefixLength: number;
  readonly ipv4Gateway: string;
  readonly ipv6: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
}

const nothing: CniResult = {
  ipv4: "",
  ipv4PrefixLength: 0,
  ipv4Gateway: "",
  ipv6: "",
  ipv6PrefixLength: 0,
  ipv6Gateway: "",
};

/** Reads the last plugin's result. Throws for what is no result: addresses that are none would end in firewall rules and files. */
export function readResult(value: unknown, list: string): CniResult {
  const bad = (what: string): EngineError =>
    new EngineError("internal", `CNI network ${list}: the result of its plugins ${what}`);
  if (!isObject(value)) throw bad("is no object");
  let result = nothing;
  for (const entry of addressesOf(value, bad)) {
    const cidr = parseCidr(entry.address);
    if (cidr === undefined) throw bad(`has an address ${JSON.stringify(entry.address)} that is none`);
    const address = formatIp({ family: cidr.family, value: cidr.address });
    const gateway = entry.gateway === "" ? undefined : parseIp(entry.gateway);
    if (entry.gateway !== "" && gateway === undefined)
      throw bad(`has a gateway ${JSON.stringify(entry.gateway)} that is none`);
    const gatewayText = gateway === undefined ? "" : formatIp(gateway);
    if (cidr.family === 4 && result.ipv4 === "")
      result = { ...result, ipv4: address, ipv4PrefixLength: cidr.prefixLength, ipv4Gateway: gatewayText };
    if (cidr.family === 6 && result.ipv6 === "")
      result = { ...result, ipv6: address, ipv6PrefixLength: cidr.prefixLength, ipv6Gateway: gatewayText };
  }
  return result;
}

/** `ips` since 0.3.0; before, `ip4` and `ip6`. */
function addressesOf(value: Record<string, unknown>, bad: (what: string) => EngineError) {
  const old = [value["ip4"], value["ip6"]].flatMap((entry) =>
    isObject(entry) ? [{ address: entry["ip"], gateway: entry["gateway"] }] : [],
  );
  const ips = value["ips"] ?? old;
  if (!Array.isArray(ips)) throw bad("has ips that are no list");
  return ips.map((entry: unknown) => {
    if (!isObject(entry)) throw bad("has an address that is no object");
    return { address: String(entry["address"] ?? ""), gateway: String(entry["gateway"] ?? "") };
  });
}
