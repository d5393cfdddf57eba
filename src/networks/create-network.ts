import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { newId, shortId } from "../base/id.ts";
import { overlaps, parseCidr } from "../base/ip.ts";
import type { EventSink } from "../events/bus.ts";
import type { Caller } from "../spec/caller.ts";
import { type Catalog, type CatalogEntry, loadDriver } from "./catalog.ts";
import type { ResolverClient } from "./dns/resolver-client.ts";
import type { KnownNetwork, NetworkDriver } from "./driver.ts";
import { type AddressPoolConfig, chooseSubnet, defaultAddressPools } from "./ipam/choose-subnet.ts";
import { checkPools } from "./ipam/check-pools.ts";
import type { NetworkStore } from "./network.sql.ts";
import type { Network, NetworkCreate, Pool } from "./network.ts";
import { firstAddress, hiddenSubnet, takenBesides } from "./predefined.ts";
import type { Firewall } from "./publish/firewall.ts";
import type { Survey } from "./sandbox/commands.ts";
import type { KernelClient } from "./sandbox/kernel-client.ts";
import type { Sandboxes } from "./sandboxes.ts";

export interface CreateParts {
  readonly catalog: Catalog;
  readonly store: NetworkStore;
  readonly kernel: KernelClient;
  readonly firewall: Firewall;
  readonly sandboxes: Sandboxes;
  readonly resolver: ResolverClient;
  readonly events: EventSink;
  readonly mtu: number;
  readonly ipv6: boolean;
  readonly engine: string;
  readonly pools: readonly AddressPoolConfig[] | undefined;
  /** `driver=key=value` */
  readonly defaultOptions: readonly string[];
}

const predefinedNames = new Set(["bridge", "host", "none", "default"]);

/** Makes a network. Docker's texts for what is wrong with the request. */
export async function createNetwork(
  parts: CreateParts,
  given: NetworkCreate,
): Promise<{ id: string; warning: string }> {
  const { catalog, store, kernel, mtu } = parts;
  const request = { ...given, options: { ...defaultsFor(parts, given.driver), ...given.options } };
  if (predefinedNames.has(request.name)) {
    throw new EngineError("forbidden", `operation is not permitted on predefined ${request.name} network `);
  }
  // Docker takes nearly any name; what would break lines of output or paths is refused.
  if (request.name.trim() === "" || request.name.length > 255 || /[\p{Cc}/]/u.test(request.name)) {
    throw new EngineError("invalid", `invalid name: ${JSON.stringify(request.name)} is no name for a network`);
  }
  const driver = await loadDriver(request.driver);
  if (!driver.creatable)
    throw new EngineError("forbidden", `only one instance of "${request.driver}" network is allowed`);
  if (request.ipamDriver !== "default") throw new EngineError("not-found", `plugin "${request.ipamDriver}" not found`);
  if (!request.enableIpv4 && !request.enableIpv6) throw new EngineError("invalid", "IPv4 or IPv6 must be enabled");
  driver.check(request);
  checkPools(request.pools);
  const survey = (await kernel.call({ op: "survey" })) as Survey;
  // From here to the row nothing is awaited: two requests cannot choose the same name or subnet.
  if (catalog.byName(request.name) !== undefined) {
    throw new EngineError("conflict", `network with name ${request.name} already exists`);
  }
  const { network, warning } = draftNetwork(parts, request, { survey, driver });
  parts.resolver.warm();
  store.putNetwork(network);
  const entry = await catalog.add(network);
  try {
    fault("network.create.after-row");
    await entry.driver.up(network, { kernel, mtu });
    fault("network.create.after-link");
    const bridge = entry.driver.firewalled(network);
    if (bridge !== undefined) await parts.firewall.addBridge(bridge);
    store.putNetwork({ ...network, pending: false });
  } catch (error) {
    await tearDown(parts, entry);
    throw error;
  }
  await catalog.add({ ...network, pending: false });
  publish(parts, "create", network, request.caller);
  return { id: network.id, warning };
}

/** Options that the settings give to networks of a driver. */
function defaultsFor({ defaultOptions }: CreateParts, driver: string): Record<string, string> {
  const pairs = defaultOptions.flatMap((text) => {
    const [, of, key, value] = /^([^=]+)=([^=]+)=(.*)$/.exec(text) ?? [];
    return of === driver && key !== undefined && value !== undefined ? [[key, value] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** Removes a network that nobody is attached to. Docker's texts. */
export async function removeNetwork(parts: CreateParts, reference: string, caller: Caller): Promise<void> {
  const entry = parts.catalog.get(reference);
  const { network } = entry;
  if (network.predefined) {
    throw new EngineError("forbidden", `${network.name} is a pre-defined network and cannot be removed`);
  }
  const attached = [...parts.sandboxes.rows.values()].filter((row) =>
    row.endpoints.some(({ networkId }) => networkId === network.id),
  );
  if (attached.length > 0) {
    const names = attached.map((row) => `name:"${row.containerName}" id:"${shortId(row.containerId)}"`);
    throw new EngineError(
      "forbidden",
      `error while removing network: network ${network.name} has active endpoints (${names.join(", ")})`,
    );
  }
  parts.store.putNetwork({ ...network, pending: true });
  await tearDown(parts, entry);
  publish(parts, "destroy", network, caller);
}

/** Removes every network that nobody uses and that `keep` does not want. Gives their names. */
export async function pruneNetworks(
  parts: CreateParts,
  keep: (network: Network) => boolean,
  caller: Caller,
): Promise<string[]> {
  const removed: string[] = [];
  for (const { network } of parts.catalog.list()) {
    const used = [...parts.sandboxes.rows.values()].some((row) =>
      row.endpoints.some(({ networkId }) => networkId === network.id),
    );
    if (network.predefined || used || keep(network)) continue;
    await removeNetwork(parts, network.id, caller);
    removed.push(network.name);
  }
  parts.events.publish({ type: "network", action: "prune", id: "", attributes: { reclaimed: "0" }, caller }); // moby parity
  return removed;
}

async function tearDown(
  { catalog, store, kernel, firewall, mtu }: CreateParts,
  { network, driver }: CatalogEntry,
): Promise<void> {
  // Out of the catalogue first: nobody may attach to what is going.
  catalog.delete(network.id);
  await driver.down(network, { kernel, mtu, shared: (other) => sharesParent(catalog, other) });
  const bridge = driver.firewalled(network);
  if (bridge !== undefined) await firewall.removeBridge(bridge);
  store.deleteNetwork(network.id);
}

/** Whether another network needs the same interface of the host. One that the engine made is a network's own. */
const sharesParent = (catalog: Catalog, { id, options: { parent } }: KnownNetwork): boolean =>
  parent !== undefined &&
  catalog.list().some(({ network }) => network.id !== id && network.options["parent"] === parent);

function publish({ events }: CreateParts, action: string, network: Network, caller: Caller): void {
  events.publish({
    type: "network",
    action,
    id: network.id,
    attributes: { name: network.name, type: network.driver },
    caller,
  });
}

function draftNetwork(
  parts: CreateParts,
  request: NetworkCreate,
  { survey, driver: { addressed, publishes } }: { survey: Survey; driver: NetworkDriver },
): { network: KnownNetwork; warning: string } {
  const id = newId();
  const ours = parts.catalog.list().flatMap(({ pools }) => pools.map(({ cidr }) => cidr));
  const given = request.pools.filter(
    (pool) => pool.subnet && (pool.subnet.includes(":") ? request.enableIpv6 : request.enableIpv4),
  );
  const pools: Pool[] = given.map((pool) => completePool(pool));
  let warning = "";
  for (const pool of pools) {
    const cidr = parseCidr(pool.subnet);
    if (cidr === undefined) continue;
    if (ours.some((other) => overlaps(other, cidr))) {
      throw new EngineError("forbidden", "invalid pool request: Pool overlaps with other one on this address space");
    }
    const route = survey.taken.find((row) => row.link !== "" && overlaps(parseCidr(row.cidr) ?? cidr, cidr));
    // A network on a wire of the host has the subnet of that wire.
    if (route !== undefined && publishes)
      warning = `subnet ${pool.subnet} overlaps the host's route ${route.cidr} by ${route.link}`;
  }
  if (addressed && request.enableIpv4 && !pools.some(({ subnet }) => !subnet.includes(":"))) {
    const subnet = chooseSubnet(
      parts.pools ?? defaultAddressPools,
      [...takenBesides(survey, ""), ...ours],
      parts.engine === "berth0" ? "" : parts.engine,
    );
    const [wish] = request.pools.filter((pool) => !pool.subnet);
    pools.unshift({ subnet, gateway: wish?.gateway || firstAddress(subnet) });
  }
  if (addressed && request.enableIpv6 && !pools.some(({ subnet }) => subnet.includes(":"))) {
    const subnet = hiddenSubnet(parts.engine, id);
    pools.push({ subnet, gateway: firstAddress(subnet) });
  }
  const hidden = addressed && parts.ipv6 && !request.enableIpv6 && !request.internal;
  return {
    warning,
    network: {
      id,
      name: request.name,
      driver: request.driver,
      createdAtNs: nowNs(),
      internal: request.internal,
      attachable: request.attachable,
      enableIpv4: request.enableIpv4,
      enableIpv6: request.enableIpv6,
      labels: request.labels,
      options: request.options,
      ipam: { driver: "default", options: request.ipamOptions, pools },
      userSubnets: given.length > 0,
      hiddenIpv6Subnet: hidden ? hiddenSubnet(parts.engine, id) : "",
      pending: true,
      predefined: false,
    },
  };
}

function completePool(pool: Partial<Pool>): Pool {
  const subnet = pool.subnet ?? "";
  return {
    subnet,
    gateway: pool.gateway || firstAddress(pool.ipRange || subnet),
    ...(pool.ipRange ? { ipRange: pool.ipRange } : {}),
    ...(pool.auxAddresses === undefined ? {} : { auxAddresses: pool.auxAddresses }),
  };
}
