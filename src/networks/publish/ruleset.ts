import type { GatewayMode } from "../bridge/bridge.ts";
import type { PublishedPort } from "../network.ts";
import { elementText, type Target } from "./elements.ts";

/** A bridge as the firewall sees it. */
export interface FirewalledBridge {
  readonly name: string;
  readonly internal: boolean;
  readonly masquerade: boolean;
  /** Where its containers' addresses are. */
  readonly subnets: readonly string[];
  /** The network has no IPv6 of its own: what is published on IPv6 comes to its containers from the bridge's address. */
  readonly proxied6: boolean;
  readonly mode4: GatewayMode;
  readonly mode6: GatewayMode;
  /** The address that its containers leave with; empty = that of the interface. */
  readonly source4: string;
  readonly source6: string;
}

export interface FirewallState {
  readonly table: string;
  readonly bridges: readonly FirewalledBridge[];
  readonly published: readonly { readonly port: PublishedPort; readonly target: Target }[];
}

/**
 * The engine's whole table as an nft script, which replaces what is there in one transaction. Networks and ports are
 * elements of sets and maps, so the rules themselves never change.
 */
export function ruleset(state: FirewallState): string {
  const { table, bridges } = state;
  const names = (wanted: (bridge: FirewalledBridge) => boolean): string =>
    elements(bridges.filter(wanted).map(({ name }) => `"${name}"`));
  const maps = new Map<string, string[]>(["any4", "at4", "any6", "at6", "routed4", "routed6"].map((map) => [map, []]));
  for (const { port, target } of state.published) {
    const element = elementText(port, target);
    if (element !== undefined) maps.get(element.map)?.push(element.text);
  }
  const set = (name: string, type: string): string => `set ${name} { type ${type}; ${elements(maps.get(name) ?? [])} }`;
  const sources = (family: 4 | 6): string =>
    elements(
      bridges.flatMap((bridge) => {
        const source = family === 4 ? bridge.source4 : bridge.source6;
        return source === "" ? [] : [`"${bridge.name}" : ${source}`];
      }),
    );
  const natted = (family: 4 | 6) => (bridge: FirewalledBridge) =>
    bridge.masquerade && !bridge.internal && (family === 4 ? bridge.mode4 : bridge.mode6) !== "routed";
  const map = (name: string, type: string): string => `map ${name} { type ${type}; ${elements(maps.get(name) ?? [])} }`;
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  ${map("any4", "inet_proto . inet_service : ipv4_addr . inet_service")}
  ${map("at4", "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service")}
  ${map("any6", "inet_proto . inet_service : ipv6_addr . inet_service")}
  ${map("at6", "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service")}
  set bridges { type ifname; ${names(() => true)} }
  set internal { type ifname; ${names(({ internal }) => internal)} }
  set outward4 { type ifname; ${names(natted(4))} }
  set outward6 { type ifname; ${names(natted(6))} }
  set unprotected4 { type ifname; ${names(({ mode4 }) => mode4 === "nat-unprotected")} }
  set unprotected6 { type ifname; ${names(({ mode6 }) => mode6 === "nat-unprotected")} }
  ${set("routed4", "ipv4_addr . inet_proto . inet_service")}
  ${set("routed6", "ipv6_addr . inet_proto . inet_service")}
  map source4 { type ifname : ipv4_addr; ${sources(4)} }
  map source6 { type ifname : ipv6_addr; ${sources(6)} }
  set proxied6 { type ifname; ${names(({ proxied6 }) => proxied6)} }
  set same { type ifname . ifname; ${elements(bridges.map(({ name }) => `"${name}" . "${name}"`))} }
  chain publish4 {
    dnat ip to ip daddr . meta l4proto . th dport map @at4
    dnat ip to meta l4proto . th dport map @any4
  }
  chain publish6 {
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6
    dnat ip6 to meta l4proto . th dport map @any6
  }
  chain publish {
    meta nfproto ipv4 jump publish4
    meta nfproto ipv6 jump publish6
  }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
  }
  chain prerouting {
    type nat hook prerouting priority -105; policy accept;
    fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -105; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump publish
  }
  chain forward {
    type filter hook forward priority -5; policy accept;
    iifname . oifname @same accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges ct state established,related accept
    oifname @bridges ct status dnat accept
    oifname @unprotected4 meta nfproto ipv4 iifname != @bridges accept
    oifname @unprotected6 meta nfproto ipv6 iifname != @bridges accept
    oifname @bridges ip daddr . meta l4proto . th dport @routed4 accept
    oifname @bridges ip6 daddr . meta l4proto . th dport @routed6 accept
    oifname @bridges drop
  }
  chain hairpin {
    ${bridges.flatMap(hairpinRules).join("\n    ")}
  }
  chain postrouting {
    type nat hook postrouting priority 95; policy accept;
    ct status dnat oifname @bridges jump hairpin
    iifname . oifname @same accept
    snat ip to iifname map @source4
    snat ip6 to iifname map @source6
    iifname @outward4 meta nfproto ipv4 masquerade
    iifname @outward6 meta nfproto ipv6 masquerade
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    oifname @proxied6 meta nfproto ipv6 ct status dnat masquerade
  }
}
`;
}

/**
 * A container that calls a published port of its own network must get the answer from the host. By address and not by
 * interface: in the packets that br_netfilter shows, the incoming interface is not set at this point.
 */
const hairpinRules = ({ name, subnets }: FirewalledBridge): string[] =>
  subnets.map((subnet) => `oifname "${name}" ${subnet.includes(":") ? "ip6" : "ip"} saddr ${subnet} masquerade`);

const elements = (texts: readonly string[]): string => (texts.length === 0 ? "" : `elements = { ${texts.join(", ")} }`);
