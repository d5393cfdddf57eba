import { rfc3339 } from "../../base/clock.ts";
import type { Endpoint, Network } from "../../networks/network.ts";

/** A network as API 1.51 has it. Lists show no containers (since 1.28). */
export function networkJson(
  network: Network,
  endpoints: ReadonlyMap<string, Endpoint & { containerName: string }> = new Map(),
) {
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339(network.createdAtNs),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.enableIpv4,
    EnableIPv6: network.enableIpv6,
    IPAM: {
      Driver: network.ipam.driver,
      Options: Object.keys(network.ipam.options).length > 0 ? { ...network.ipam.options } : null,
      Config: network.ipam.pools.map((pool) => ({
        Subnet: pool.subnet,
        ...(pool.ipRange !== undefined && { IPRange: pool.ipRange }),
        ...(pool.gateway !== "" && { Gateway: pool.gateway }),
        ...(pool.auxAddresses &&
          Object.keys(pool.auxAddresses).length > 0 && { AuxiliaryAddresses: pool.auxAddresses }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries([...endpoints].map(([id, endpoint]) => [id, endpointResource(endpoint)])),
    Options: { ...network.options },
    Labels: { ...network.labels },
  };
}

function endpointResource(endpoint: Endpoint & { containerName: string }) {
  return {
    Name: endpoint.containerName,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPv4Address: endpoint.ipv4 === "" ? "" : `${endpoint.ipv4}/${endpoint.ipv4PrefixLength}`,
    IPv6Address: endpoint.ipv6 === "" ? "" : `${endpoint.ipv6}/${endpoint.ipv6PrefixLength}`,
  };
}
