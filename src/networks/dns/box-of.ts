import { parseCidr } from "../../base/ip.ts";
import type { Catalog } from "../catalog.ts";
import type { AttachedEndpoint, SandboxRow } from "../sandbox/sandbox-row.ts";
import type { Box, Place } from "./protocol.ts";

/**
 * What the resolver must know of a sandbox; undefined when no network of it has names. `served`: it had one before, and
 * its programs have read resolv.conf: they go on being answered.
 */
export function boxOf(row: SandboxRow, catalog: Catalog, { served = false } = {}): Box | undefined {
  if (row.path === "") return undefined;
  const named = row.endpoints.filter(({ dnsNames }) => dnsNames.length > 0);
  if (named.length === 0 && !served) return undefined;
  // The way out is looked at first, as with the routes.
  const places = named
    .toSorted(
      (one, other) => Number(other.networkId === row.gatewayNetworkId) - Number(one.networkId === row.gatewayNetworkId),
    )
    .map((endpoint) => placeOf(endpoint, catalog));
  return {
    id: row.containerId,
    netnsPath: row.path,
    places,
    forwards: row.endpoints.some(({ networkId }) => catalog.byId(networkId)?.network.internal === false),
    servers: row.nameservers ?? [],
    egressNames: (row.egress ?? []).filter((entry) => parseCidr(entry) === undefined),
  };
}

function placeOf(endpoint: AttachedEndpoint, catalog: Catalog): Place {
  const links = (endpoint.links ?? []).map((link) => {
    const [target = "", alias = target] = link.split(":");
    return [alias, target] as const;
  });
  return {
    networkId: endpoint.networkId,
    networkName: endpoint.networkName,
    names: endpoint.dnsNames,
    ipv4: endpoint.ipv4,
    ipv6: endpoint.ipv6,
    subnets: (catalog.byId(endpoint.networkId)?.network.ipam.pools ?? []).map(({ subnet }) => subnet),
    links: Object.fromEntries(links),
  };
}
