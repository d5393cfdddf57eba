import type { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { errorMessage } from "../base/errors.ts";
import { overlaps, parseCidr } from "../base/ip.ts";
import type { EventSink } from "../events/bus.ts";
import { Catalog, loadDriver } from "./catalog.ts";
import { createNetwork, type CreateParts, pruneNetworks, removeNetwork } from "./create-network.ts";
import type { KnownNetwork } from "./driver.ts";
import { checkAttachment } from "./draft-sandbox.ts";
import { engineName } from "./engine-name.ts";
import type { AddressPoolConfig } from "./ipam/choose-subnet.ts";
import { connect, disconnect } from "./live.ts";
import { NetworkStore } from "./network.sql.ts";
import type { Networks } from "./network.ts";
import { ResolverClient } from "./dns/resolver-client.ts";
import { defaultBridge, plainNetwork, takenBesides } from "./predefined.ts";
import { Firewall } from "./publish/firewall.ts";
import { LoopbackRelays } from "./publish/loopback-relay.ts";
import { PortTable } from "./publish/port-table.ts";
import { restore } from "./restore.ts";
import { KernelClient } from "./sandbox/kernel-client.ts";
import { endpointOf } from "./sandbox/sandbox-row.ts";
import type { Survey } from "./sandbox/commands.ts";
import { Sandboxes } from "./sandboxes.ts";

/** Keys of daemon.json that concern networks. */
export interface NetworkConfig {
  /** Address and prefix length of the default bridge. */
  readonly bip?: string | undefined;
  /** Part of the default bridge's subnet that containers get addresses of. */
  readonly fixedCidr?: string | undefined;
  readonly defaultAddressPools?: readonly AddressPoolConfig[] | undefined;
  readonly mtu?: number | undefined;
  /** Where ports are published that name no address of the host; nothing = everywhere. */
  readonly bindAddress?: string | undefined;
  /** Of the default bridge. */
  readonly icc?: boolean | undefined;
  readonly masquerade?: boolean | undefined;
  /** Options that new networks of a driver get, below their own: `bridge=key=value`. */
  readonly defaultOptions?: readonly string[] | undefined;
}

export interface OpenNetworksOptions {
  /** With networkMigrations applied. */
  readonly db: Database;
  readonly execRoot: string;
  readonly events: EventSink;
  readonly config?: NetworkConfig;
  /** The command that starts the resolver process. */
  readonly resolverCommand: () => readonly string[];
  /** One line for the daemon's log. */
  readonly log?: (text: string) => void;
}

/**
 * Starts the network engine: rows into memory, the kernel Worker, bridges and firewall as the rows say. Containers
 * that run are not touched. Call `restore` once the containers' state is known.
 */
export async function openNetworks(options: OpenNetworksOptions): Promise<Networks> {
  const { execRoot, config = {}, log = () => {} } = options;
  const table = engineName(execRoot);
  const mtu = config.mtu ?? 1500;
  const ipv6 = existsSync("/proc/sys/net/ipv6");
  const directory = `${execRoot}/netns`;
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const store = new NetworkStore(options.db);
  const catalog = new Catalog();
  let repairing = false;
  const lost = (): void => {
    if (repairing) return;
    repairing = true;
    firewall
      .install()
      .then(
        () => log("firewall rules were changed by another program and are back"),
        (error: unknown) => log(`cannot put the firewall rules back: ${errorMessage(error)}`),
      )
      .finally(() => {
        repairing = false;
      });
  };
  const kernel = new KernelClient({ onRulesLost: lost });
  const ports = new PortTable({ ipv6, startAt: table === "berth0" ? 0 : Bun.hash.crc32(table) });
  const relays = new LoopbackRelays();
  const firewall: Firewall = new Firewall({
    kernel,
    warn: log,
    state: () => ({
      table,
      bridges: catalog.list().flatMap(({ driver, network }) => driver.firewalled(network) ?? []),
      published: [...sandboxes.rows.values()].flatMap((row) => sandboxes.published(row)),
    }),
  });
  const settings = { directory, table, mtu, ipv6, log, bindAddress: config.bindAddress ?? "0.0.0.0" };
  const resolver = new ResolverClient({ execRoot, command: options.resolverCommand, log });
  const sandboxes = new Sandboxes({
    catalog,
    store,
    kernel,
    firewall,
    ports,
    relays,
    resolver,
    events: options.events,
    settings,
  });
  try {
    await start();
  } catch (error) {
    await kernel.close();
    throw error;
  }
  const creating: CreateParts = {
    catalog,
    store,
    kernel,
    firewall,
    sandboxes,
    resolver,
    events: options.events,
    mtu,
    ipv6,
    engine: table,
    pools: config.defaultAddressPools,
    defaultOptions: config.defaultOptions ?? [],
  };

  async function start(): Promise<void> {
    const rows = store.networks();
    const survey = (await kernel.call({ op: "survey" })) as Survey;
    for (const network of rows.filter(({ pending }) => pending)) {
      const { driver } = await catalog.add(network);
      await driver.down(network, { kernel, mtu });
      catalog.delete(network.id);
      store.deleteNetwork(network.id);
    }
    const named = (name: string): KnownNetwork | undefined => rows.find((row) => row.predefined && row.name === name);
    const before = named("bridge");
    const inUse = store.sandboxes().some((row) => row.endpoints.some(({ networkId }) => networkId === before?.id));
    const bridge = inUse && before !== undefined ? before : await raiseDefaultBridge(survey, before);
    const predefined = [bridge, named("host") ?? plainNetwork("host"), named("none") ?? plainNetwork("none")];
    for (const network of predefined) store.putNetwork(network);
    enableForwarding();
    for (const network of [...predefined, ...rows.filter((row) => !row.predefined && !row.pending)]) {
      const { driver } = await catalog.add(network);
      await driver.up(network, { kernel, mtu });
    }
    for (const row of store.sandboxes()) sandboxes.adopt(row);
    await firewall.install();
  }

  /** Another engine may choose the same subnet at the same moment: who then sees the other one chooses again. */
  async function raiseDefaultBridge(seen: Survey, before: KnownNetwork | undefined): Promise<KnownNetwork> {
    const wish = {
      bridge: table,
      mtu,
      ipv6,
      bip: config.bip,
      fixedCidr: config.fixedCidr,
      pools: config.defaultAddressPools,
      icc: config.icc ?? true,
      masquerade: config.masquerade ?? true,
      bindAddress: settings.bindAddress,
    };
    const driver = await loadDriver("bridge");
    for (let attempt = 0, survey = seen, previous = before; ; attempt += 1) {
      const network = defaultBridge(wish, survey, previous);
      if (previous !== undefined && network.ipam.pools[0]?.gateway !== previous.ipam.pools[0]?.gateway)
        await driver.down(network, { kernel, mtu });
      await driver.up(network, { kernel, mtu });
      survey = (await kernel.call({ op: "survey" })) as Survey;
      const own = network.ipam.pools.flatMap(({ subnet }) => parseCidr(subnet) ?? []);
      const shared = takenBesides(survey, table).some((other) => own.some((cidr) => overlaps(cidr, other)));
      if (!shared || config.bip !== undefined || attempt === 4) return network;
      await driver.down(network, { kernel, mtu });
      previous = { ...network, ipam: { ...network.ipam, pools: [] } }; // the id stays
    }
  }

  return {
    open: (plan, { caller, signal }) => sandboxes.open(plan, { caller, ...(signal === undefined ? {} : { signal }) }),
    close: (containerId, { caller }) => sandboxes.close(containerId, { caller }),
    restore: (live) => restore({ sandboxes, resolver, store, kernel, firewall, catalog, directory, log }, live),
    list: () => catalog.list().map(({ network }) => network),
    get: (reference) => catalog.get(reference).network,
    create: (request) => createNetwork(creating, request),
    remove: (reference, { caller }) => removeNetwork(creating, reference, caller),
    prune: ({ keep, caller }) => pruneNetworks(creating, keep, caller),
    endpoints(networkId) {
      const found = new Map();
      for (const row of sandboxes.rows.values()) {
        const endpoint = row.endpoints.find((candidate) => candidate.networkId === networkId);
        if (endpoint !== undefined)
          found.set(row.containerId, { ...endpointOf(endpoint), containerName: row.containerName });
      }
      return found;
    },
    check: (attachment) => checkAttachment(catalog.get(attachment.network), attachment),
    connect: (sandbox, plan, attachment, { caller }) => connect(creating, { sandbox, plan, attachment, caller }),
    disconnect: (sandbox, plan, networkId, { caller }) => disconnect(creating, { sandbox, plan, networkId, caller }),
    rename: (containerId, name) => sandboxes.rename(containerId, name),
    async shutdown() {
      // With containers running everything stays as it is: they need it, and the next start finds it.
      if (sandboxes.rows.size === 0) {
        for (const { driver, network } of catalog.list()) await driver.down(network, { kernel, mtu });
        await firewall.uninstall();
      }
      relays.closeAll();
      await resolver.close({ end: sandboxes.rows.size === 0 });
      await kernel.close();
    },
  };
}

function enableForwarding(): void {
  const path = "/proc/sys/net/ipv4/ip_forward";
  if (readFileSync(path, "utf8").trim() !== "1") writeFileSync(path, "1");
}
