import { resolverAddress } from "../dns/protocol.ts";
import type { Endpoint, PublishedPort, Sandbox, SandboxPlan } from "../network.ts";

/** One attachment with what the engine must know besides. */
export interface AttachedEndpoint extends Endpoint {
  /** Our end of the veth pair; empty for networks without one. */
  readonly hostName: string;
  /** For IPv6 ports on a network without IPv6: an address beside the official ones. */
  readonly hiddenIpv6: string;
  readonly gatewayPriority: number;
  /** `container:alias`. */
  readonly links?: readonly string[];
  readonly linkLocalIps?: readonly string[];
  /** As Docker writes them: with IFNAME in the interface's place. */
  readonly sysctls?: string;
  /** What a driver that plugs in needs to unplug. */
  readonly plugged?: string;
}

/** A sandbox as it is meant (and, once opened, as it is). Kept as JSON. */
export interface SandboxRow {
  readonly containerId: string;
  readonly containerName: string;
  readonly id: string;
  readonly mode: SandboxPlan["mode"];
  /** Of the namespace made for it; empty for host and container mode. */
  readonly path: string;
  /** What the OCI spec gets. */
  readonly netnsPath: string;
  readonly endpoints: readonly AttachedEndpoint[];
  readonly ports: readonly PublishedPort[];
  /** Network of the endpoint with the default route and the ports; empty = none. */
  readonly gatewayNetworkId: string;
  readonly hostname?: string;
  /** Servers of `--dns`; none = the host's. */
  readonly nameservers?: readonly string[];
  readonly egress?: readonly string[];
  readonly rate?: SandboxPlan["rate"];
}

/** What the rest of the engine sees of it. */
export function sandboxOf(row: SandboxRow): Sandbox {
  return {
    id: row.id,
    netnsPath: row.netnsPath,
    endpoints: row.endpoints.map(endpointOf),
    ports: row.ports,
    nameservers: row.endpoints.some(({ dnsNames }) => dnsNames.length > 0) ? [resolverAddress] : [],
  };
}

export function endpointOf(attached: AttachedEndpoint): Endpoint {
  const {
    hostName: _1,
    hiddenIpv6: _2,
    gatewayPriority: _3,
    links: _4,
    linkLocalIps: _5,
    sysctls: _6,
    plugged: _7,
    ...endpoint
  } = attached;
  return endpoint;
}

/**
 * The endpoint that gets the default route and the published ports: highest priority, then the first network by name.
 * Networks without a way out do not count.
 */
export function gatewayOf(endpoints: readonly AttachedEndpoint[]): AttachedEndpoint | undefined {
  return endpoints
    .filter((endpoint) => endpoint.ipv4Gateway !== "" || endpoint.ipv6Gateway !== "")
    .toSorted(
      (one, other) => other.gatewayPriority - one.gatewayPriority || (one.networkName < other.networkName ? -1 : 1),
    )[0];
}
