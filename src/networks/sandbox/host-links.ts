import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { formatCidr, parseCidr } from "../../base/ip.ts";
import { addAddress, listAddresses, listRoutes } from "../../kernel/netlink/address.ts";
import { addBridge, deleteLink, findLink, listLinks, setUp } from "../../kernel/netlink/link.ts";
import { NetlinkWriter } from "../../kernel/netlink/writer.ts";
import type { BridgeCommand, Survey } from "./commands.ts";
import type { HostSockets } from "./host.ts";
import { dropNetns } from "./open-sandbox.ts";
import { cidrOf } from "../../base/ip.ts";

/** The bridge as it shall be; what is there already stays. */
export function bridgeUp(host: HostSockets, bridge: BridgeCommand): void {
  if (findLink(host.route, bridge.name) === undefined) {
    const writer = new NetlinkWriter();
    addBridge(writer, bridge);
    host.route.request(writer);
  }
  const link = findLink(host.route, bridge.name);
  if (link === undefined) throw new Error(`the bridge ${bridge.name} went away while it was set up`);
  if (link.kind !== "bridge") throw new Error(`the interface ${bridge.name} exists and is no bridge`);
  // Published ports answer on 127.0.0.1: the guard chain keeps containers from using this the other way round.
  writeIfDifferent(`/proc/sys/net/ipv4/conf/${bridge.name}/route_localnet`, "1");
  const ipv6 = bridge.addresses.some((address) => address.includes(":"));
  writeIfDifferent(`/proc/sys/net/ipv6/conf/${bridge.name}/disable_ipv6`, ipv6 ? "0" : "1");
  writeIfDifferent(`/proc/sys/net/ipv6/conf/${bridge.name}/accept_ra`, "0");
  // Without a link-local address that is past its detection, forwarded packets wait a second for their neighbour.
  writeIfDifferent(`/proc/sys/net/ipv6/conf/${bridge.name}/accept_dad`, "0");
  const writer = new NetlinkWriter();
  if (!link.up) setUp(writer, link.index);
  const present = listAddresses(host.route).filter((address) => address.index === link.index);
  for (const text of bridge.addresses) {
    const cidr = parseCidr(text);
    if (cidr === undefined || present.some(({ ip }) => ip.family === cidr.family && ip.value === cidr.address))
      continue;
    addAddress(writer, link.index, { family: cidr.family, value: cidr.address }, cidr.prefixLength);
  }
  if (writer.count > 0) host.route.request(writer);
}

export function bridgeDown(host: HostSockets, name: string): void {
  const link = findLink(host.route, name);
  if (link === undefined || link.kind !== "bridge") return;
  const writer = new NetlinkWriter();
  deleteLink(writer, link);
  host.route.request(writer);
}

export function survey(host: HostSockets): Survey {
  const links = new Map(listLinks(host.route).map((link) => [link.index, link.name]));
  const taken = listRoutes(host.route).map((route) => ({
    cidr: formatCidr(route.destination),
    link: links.get(route.index) ?? "",
  }));
  for (const { index, ip, prefixLength } of listAddresses(host.route)) {
    taken.push({ cidr: formatCidr(cidrOf(ip, prefixLength)), link: links.get(index) ?? "" });
  }
  for (const server of nameservers()) taken.push({ cidr: server, link: "" });
  return { taken, links: [...links.values()] };
}

/** A pool over the host's resolver would cut it off; unless a route covers it already, it is behind the default route. */
function nameservers(): string[] {
  try {
    return readFileSync("/etc/resolv.conf", "utf8")
      .split("\n")
      .flatMap((line) => {
        const found = /^nameserver\s+([0-9.]+)\s*$/.exec(line);
        return found?.[1] === undefined ? [] : [`${found[1]}/32`];
      });
  } catch {
    return []; // no resolv.conf: nothing to protect
  }
}

/**
 * Removes pinned namespaces that nobody wants, and ports of our bridges whose other end is in none of the wanted ones
 * (they die with their namespace; this is for links that a crash left half-made).
 */
export function sweep(
  host: HostSockets,
  directory: string,
  keep: readonly string[],
  bridges: readonly string[],
): string[] {
  const wanted = new Set(keep);
  const removed: string[] = [];
  for (const name of readdirSync(directory)) {
    const path = `${directory}/${name}`;
    if (wanted.has(path)) continue;
    dropNetns(path);
    removed.push(path);
  }
  for (const name of bridges) bridgeDown(host, name);
  return removed;
}

function writeIfDifferent(path: string, value: string): void {
  try {
    if (readFileSync(path, "utf8").trim() !== value) writeFileSync(path, value);
  } catch (error) {
    // A kernel without IPv6 has no such key; a missing route_localnet shows when a port is published.
    if (path.includes("/ipv4/")) throw error;
  }
}
