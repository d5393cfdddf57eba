import { ipBytes, parseIp } from "../../base/ip.ts";
import { concatenated, type MapElement } from "../../kernel/nft/elements.ts";
import type { Protocol, PublishedPort } from "../network.ts";
import type { PortHold } from "../sandbox/commands.ts";
import { relayed } from "./loopback-relay.ts";

const protocolNumber: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 };

/** Where a container is reached inside. `ipv6` may be the hidden address of a network without IPv6. */
export interface Target {
  readonly ipv4: string;
  readonly ipv6: string;
}

const portBytes = (port: number): Uint8Array => Uint8Array.of(port >> 8, port & 0xff);

/** The map and the two texts nft would show for one published port; undefined when the target lacks that family. */
function placeOf(port: PublishedPort, target: Target) {
  const host = parseIp(port.hostIp);
  if (host === undefined) return undefined;
  const inside = parseIp(host.family === 4 ? target.ipv4 : target.ipv6);
  if (inside === undefined) return undefined;
  // No port of the host: the container's own address is reached by routers.
  if (port.hostPort === 0) return { host, inside, map: `routed${host.family}` };
  return { host, inside, map: `${host.value === 0n ? "any" : "at"}${host.family}` };
}

/** The map element for one port. */
export function elementOf(port: PublishedPort, target: Target): MapElement | undefined {
  const place = placeOf(port, target);
  if (place === undefined) return undefined;
  if (port.hostPort === 0) {
    const service = [Uint8Array.of(protocolNumber[port.protocol]), portBytes(port.containerPort)];
    return { map: place.map, key: concatenated(ipBytes(place.inside), ...service) };
  }
  const service = [Uint8Array.of(protocolNumber[port.protocol]), portBytes(port.hostPort)];
  return {
    map: place.map,
    key: concatenated(...(place.host.value === 0n ? [] : [ipBytes(place.host)]), ...service),
    data: concatenated(ipBytes(place.inside), portBytes(port.containerPort)),
  };
}

/** The same element as text, for a whole table. */
export function elementText(port: PublishedPort, target: Target): { map: string; text: string } | undefined {
  const place = placeOf(port, target);
  if (place === undefined) return undefined;
  const inside = place.host.family === 4 ? target.ipv4 : target.ipv6;
  if (port.hostPort === 0) return { map: place.map, text: `${inside} . ${port.protocol} . ${port.containerPort}` };
  const key = `${place.host.value === 0n ? "" : `${port.hostIp} . `}${port.protocol} . ${port.hostPort}`;
  return { map: place.map, text: `${key} : ${inside} . ${port.containerPort}` };
}

/**
 * The sockets that keep ports from other programs: both wildcards of one port are one socket. Ports with a relay are
 * held by its listener.
 */
export function holdsOf(all: readonly PublishedPort[]): PortHold[] {
  const relays = new Set(relayed(all));
  const ports = all.filter((port) => port.hostPort !== 0 && !relays.has(port));
  const holds = new Map<string, PortHold>();
  const wild = (port: PublishedPort, ip: string): boolean =>
    ports.some((other) => other.protocol === port.protocol && other.hostPort === port.hostPort && other.hostIp === ip);
  for (const port of ports) {
    const both = (port.hostIp === "0.0.0.0" || port.hostIp === "::") && wild(port, "0.0.0.0") && wild(port, "::");
    const hostIp = both ? "" : port.hostIp;
    holds.set(`${port.protocol} ${hostIp} ${port.hostPort}`, { protocol: port.protocol, hostIp, port: port.hostPort });
  }
  return [...holds.values()];
}
