import type { PublishedPort } from "../network.ts";
import { bridgeElements } from "./bridge-elements.ts";
import type { FirewalledBridge } from "./firewalled-bridge.ts";
import { elementText, type Target } from "./elements.ts";

/**
 * Set on packets of our bridges for as long as they are forwarded, where another engine's chain must let them pass
 * (docker-user.ts), and cleared behind it. One bit, so that marks of others stay.
 */
export const passMark = "0x20000000";

export interface FirewallState {
  readonly table: string;
  readonly bridges: readonly FirewalledBridge[];
  /** Packets that are forwarded carry the mark. */
  readonly marked: boolean;
  readonly published: readonly { readonly port: PublishedPort; readonly target: Target }[];
}

/**
 * The engine's whole table as an nft script, which replaces what is there in one transaction. Networks and ports are
 * elements of sets and maps, so the rules themselves never change.
 */
export function ruleset(state: FirewallState): string {
  const { table, bridges, marked } = state;
  const held = new Map<string, string[]>();
  const hold = (map: string, text: string): unknown => held.get(map)?.push(text) ?? held.set(map, [text]);
  for (const { port, target } of state.published) {
    const element = elementText(port, target);
    if (element !== undefined) hold(element.map, element.text);
  }
  for (const bridge of bridges) for (const { map, text } of bridgeElements(bridge)) hold(map, text);
  const container = (kind: "map" | "set", name: string, type: string, flags = ""): string =>
    `${kind} ${name} { type ${type}; ${flags} ${elements(held.get(name) ?? [])} }`;
  const map = (name: string, type: string): string => container("map", name, type);
  const set = (name: string, type: string, flags = ""): string => container("set", name, type, flags);
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  ${map("any4", "inet_proto . inet_service : ipv4_addr . inet_service")}
  ${map("at4", "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service")}
  ${map("any6", "inet_proto . inet_service : ipv6_addr . inet_service")}
  ${map("at6", "ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service")}
  ${set("routed4", "ipv4_addr . inet_proto . inet_service")}
  ${set("routed6", "ipv6_addr . inet_proto . inet_service")}
  ${["bridges", "internal", "proxied6", "outward4", "outward6", "unprotected4", "unprotected6"]
    .map((name) => set(name, "ifname"))
    .join("\n  ")}
  ${set("same", "ifname . ifname")}
  ${set("hairpin4", "ifname . ipv4_addr", "flags interval;")}
  ${set("hairpin6", "ifname . ipv6_addr", "flags interval;")}
  ${map("source4", "ifname : ipv4_addr")}
  ${map("source6", "ifname : ipv6_addr")}
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
    ${marked ? `iifname @bridges meta mark set meta mark | ${passMark}` : ""}
    ${marked ? `oifname @bridges meta mark set meta mark | ${passMark}` : ""}
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
  ${marked ? unmarkChain : ""}
  chain postrouting {
    type nat hook postrouting priority 95; policy accept;
    # A container that calls a published port of its own network must get the answer from the host. By address and not
    # by interface: in the packets that br_netfilter shows, the incoming interface is not set at this point.
    ct status dnat oifname . ip saddr @hairpin4 masquerade
    ct status dnat oifname . ip6 saddr @hairpin6 masquerade
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

const unmarkChain = `chain unmark {
    type filter hook postrouting priority 90; policy accept;
    meta mark & ${passMark} == ${passMark} meta mark set meta mark & 0xdfffffff
  }`;

const elements = (texts: readonly string[]): string => (texts.length === 0 ? "" : `elements = { ${texts.join(", ")} }`);
