import { cidrOf, formatCidr, type Ip, ipBytes, parseCidr, parseIp } from "../../base/ip.ts";
import { concatenated, type MapElement } from "../../kernel/nft/elements.ts";
import type { FirewalledBridge } from "./firewalled-bridge.ts";

/** An element of one of the table's sets, as nft would show it too. */
export interface TextElement extends MapElement {
  readonly text: string;
}

/** Everything that the table holds of one bridge. The rules themselves never change. */
export function bridgeElements(bridge: FirewalledBridge): TextElement[] {
  const key = linkName(bridge.name);
  const plain = (map: string): TextElement => ({ map, key, text: `"${bridge.name}"` });
  const families = [4, 6] as const;
  const mode = { 4: bridge.mode4, 6: bridge.mode6 };
  const source = { 4: bridge.source4, 6: bridge.source6 };
  return [
    plain("bridges"),
    { map: "same", key: concatenated(key, key), text: `"${bridge.name}" . "${bridge.name}"` },
    ...(bridge.internal ? [plain("internal")] : []),
    ...(bridge.proxied6 ? [plain("proxied6")] : []),
    ...families.flatMap((family) => [
      ...(bridge.masquerade && !bridge.internal && mode[family] !== "routed" ? [plain(`outward${family}`)] : []),
      ...(mode[family] === "nat-unprotected" ? [plain(`unprotected${family}`)] : []),
      ...sourceOf(bridge.name, family, source[family]),
    ]),
    ...bridge.subnets.flatMap((subnet) => hairpin(bridge.name, subnet)),
  ];
}

/** The map from a bridge to the address that its containers leave with. */
function sourceOf(name: string, family: 4 | 6, text: string): TextElement[] {
  const ip = text === "" ? undefined : parseIp(text);
  return ip === undefined
    ? []
    : [{ map: `source${family}`, key: linkName(name), data: ipBytes(ip), text: `"${name}" : ${text}` }];
}

function hairpin(name: string, subnet: string): TextElement[] {
  const cidr = parseCidr(subnet);
  if (cidr === undefined) return [];
  const part = (value: bigint): Uint8Array =>
    concatenated(linkName(name), ipBytes({ family: cidr.family, value } satisfies Ip));
  const text = formatCidr(cidrOf({ family: cidr.family, value: cidr.start }, cidr.prefixLength));
  return [{ map: `hairpin${cidr.family}`, key: part(cidr.start), keyEnd: part(cidr.end), text: `"${name}" . ${text}` }];
}

/** IFNAMSIZ bytes, as nf_tables keeps names of interfaces. */
function linkName(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name).subarray(0, 15));
  return bytes;
}
