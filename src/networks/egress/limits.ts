import { EngineError } from "../../base/errors.ts";
import { cidrOf, formatCidr, parseCidr, parseIp } from "../../base/ip.ts";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import type { SandboxPlan } from "../network.ts";
import type { SandboxRow } from "../sandbox/sandbox-row.ts";
import type { EgressRules } from "./table.ts";

/** Throws `invalid` for a limit that a network cannot keep. */
export function checkLimits({ network, driver }: CatalogEntry, { rate, egress }: SandboxPlan): void {
  const wrong = (text: string): EngineError => new EngineError("invalid", text, { network: network.name });
  if (rate !== undefined && !driver.addressed)
    throw wrong(`--net-rate is not for network ${network.name}: its interfaces are not the engine's`);
  // What comes in is slowed at the host's end of the cable, and only bridges have one.
  if (rate !== undefined && rate.inBps > 0 && !driver.publishes)
    throw wrong(
      `--net-rate in= is not for network ${network.name}: driver ${network.driver} has no host's end to slow`,
    );
  if (network.predefined && (egress ?? []).some((entry) => parseCidr(entry) === undefined))
    throw wrong(
      `--egress-allow with DNS names needs a network of your own, not ${network.name}: only these have a DNS server to learn from`,
    );
}

/** The rules of a container's namespace. Pure. */
export function egressOf(row: SandboxRow, wanted: readonly string[], catalog: Catalog): EgressRules {
  const pools = row.endpoints.flatMap(({ networkId }) => catalog.byId(networkId)?.network.ipam.pools ?? []);
  return {
    allowed: wanted.filter((entry) => parseCidr(entry) !== undefined),
    own: [...new Set([...pools.map(({ subnet }) => subnet), ...row.endpoints.flatMap(subnetsOf)])],
    gateways: pools.map(({ gateway }) => gateway).filter((text) => text !== ""),
    servers: row.nameservers ?? [],
  };
}

/** Where the addresses are others' to give, the endpoint knows its own. */
function subnetsOf(endpoint: SandboxRow["endpoints"][number]): string[] {
  const pairs = [
    [endpoint.ipv4, endpoint.ipv4PrefixLength],
    [endpoint.ipv6, endpoint.ipv6PrefixLength],
  ] as const;
  return pairs.flatMap(([text, length]) => {
    const ip = text === "" ? undefined : parseIp(text);
    return ip === undefined ? [] : [formatCidr(cidrOf(ip, length))];
  });
}
