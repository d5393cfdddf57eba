import { errorMessage } from "../base/errors.ts";
import { parseCidr } from "../base/ip.ts";
import type { Catalog } from "./catalog.ts";
import { boxOf } from "./dns/box-of.ts";
import type { ResolverClient } from "./dns/resolver-client.ts";
import { reconcile } from "./live.ts";
import type { NetworkStore } from "./network.sql.ts";
import type { Sandbox } from "./network.ts";
import type { Firewall } from "./publish/firewall.ts";
import type { KernelClient } from "./sandbox/kernel-client.ts";
import type { SandboxRow } from "./sandbox/sandbox-row.ts";
import type { Sandboxes } from "./sandboxes.ts";

export interface RestoreParts {
  readonly sandboxes: Sandboxes;
  readonly resolver: ResolverClient;
  readonly store: NetworkStore;
  readonly kernel: KernelClient;
  readonly firewall: Firewall;
  readonly catalog: Catalog;
  readonly directory: string;
  readonly log: (text: string) => void;
}

/** Makes rows, namespaces, ports and rules agree with the containers that live. Gives the sandboxes that had to change. */
export async function restore(
  parts: RestoreParts,
  live: ReadonlyMap<string, Sandbox>,
): Promise<ReadonlyMap<string, Sandbox>> {
  const { sandboxes, kernel, firewall, log } = parts;
  for (const row of [...sandboxes.rows.values()]) {
    if (!live.has(row.containerId)) await sandboxes.discard(row);
  }
  for (const [containerId, sandbox] of live) {
    if (sandboxes.rows.has(containerId)) continue;
    const row = rowOf(containerId, sandbox, parts);
    sandboxes.adopt(row);
    parts.store.putSandbox(row);
    log(`network of container ${containerId} was not in the store and is taken from the container's state`);
  }
  const rows = [...sandboxes.rows.values()];
  await kernel.call({ op: "sweep", directory: parts.directory, keep: rows.map(({ path }) => path), bridges: [] });
  await firewall.install();
  const changed = new Map<string, Sandbox>();
  for (const [containerId, sandbox] of live) {
    const row = sandboxes.rows.get(containerId);
    if (row === undefined) continue;
    try {
      const now = await reconcile(parts, row, sandbox);
      if (now !== undefined) changed.set(containerId, now);
    } catch (error) {
      log(`networks of container ${row.containerName} cannot be put right: ${errorMessage(error)}`);
    }
  }
  // Containers that run need not wait for it: they have the resolver that they had.
  parts.resolver
    .sync([...sandboxes.rows.values()].flatMap((row) => boxOf(row, parts.catalog) ?? []))
    .catch((error: unknown) => log(errorMessage(error)));
  lookAtPlugs(parts, rows).catch((error: unknown) => log(errorMessage(error)));
  for (const row of rows) {
    try {
      await sandboxes.openRelays(row);
      await kernel.call({ op: "hold", publish: sandboxes.publishCommand(row) });
    } catch (error) {
      log(`a port of container ${row.containerName} is used by another program as well: ${errorMessage(error)}`);
    }
  }
  return changed;
}

/** Drivers that let others plug in compare what is there with what should be; nobody waits for it. */
async function lookAtPlugs({ catalog, log }: RestoreParts, rows: readonly SandboxRow[]): Promise<void> {
  for (const { network, driver } of catalog.list()) {
    if (driver.plugs === undefined) continue;
    const attached = rows.flatMap((row) => {
      const endpoint = row.endpoints.find(({ networkId }) => networkId === network.id);
      const { containerId, containerName, netnsPath } = row;
      return endpoint === undefined ? [] : [{ endpoint, socket: { containerId, containerName, netnsPath } }];
    });
    for (const trouble of await driver.plugs.look(network, attached)) log(`network ${network.name}: ${trouble}`);
  }
}

/** What the container's own state tells; enough to keep its addresses and ports, and to close it one day. */
function rowOf(containerId: string, sandbox: Sandbox, { catalog, directory }: RestoreParts): SandboxRow {
  const own = sandbox.netnsPath.startsWith(`${directory}/`);
  const endpoints = sandbox.endpoints.map((endpoint) => ({
    ...endpoint,
    hostName: endpoint.interfaceName === "" ? "" : `veth${endpoint.id.slice(0, 7)}`,
    hiddenIpv6: "",
    gatewayPriority: 0,
  }));
  const [gateway] = endpoints.filter(({ ipv4Gateway }) => parseCidr(`${ipv4Gateway}/32`) !== undefined);
  const known = endpoints.filter(({ networkId }) => catalog.byId(networkId) !== undefined);
  return {
    containerId,
    containerName: containerId.slice(0, 12),
    id: sandbox.id,
    endpoints: known,
    ports: sandbox.ports,
    mode: own ? "networks" : "container",
    path: own ? sandbox.netnsPath : "",
    netnsPath: sandbox.netnsPath,
    gatewayNetworkId: gateway?.networkId ?? "",
  };
}
