import { statfsSync } from "node:fs";
import { EngineError, errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { EventSink } from "../events/bus.ts";
import type { Caller } from "../spec/caller.ts";
import { bridgeOptions, gatewayMode } from "./bridge/bridge.ts";
import type { Catalog } from "./catalog.ts";
import type { Socket } from "./driver.ts";
import { boxOf } from "./dns/box-of.ts";
import type { ResolverClient } from "./dns/resolver-client.ts";
import { attachmentsOf, draftEndpoint, interfaceNameFor } from "./draft-sandbox.ts";
import type { NetworkStore } from "./network.sql.ts";
import type { PublishedPort, Sandbox, SandboxPlan } from "./network.ts";
import { checkLimits, egressOf } from "./egress/limits.ts";
import type { EgressRules } from "./egress/table.ts";
import { elementOf, holdsOf, type Target } from "./publish/elements.ts";
import type { Firewall } from "./publish/firewall.ts";
import { explainConflict } from "./publish/conflict.ts";
import { type LoopbackRelays, RelayTakenError } from "./publish/loopback-relay.ts";
import { PortConflict, type PortOwner, type PortTable } from "./publish/port-table.ts";
import type { LinkCommand, PublishCommand } from "./sandbox/commands.ts";
import { type KernelClient, KernelFailure } from "./sandbox/kernel-client.ts";
import { type AttachedEndpoint, gatewayOf, sandboxOf, type SandboxRow } from "./sandbox/sandbox-row.ts";

export interface SandboxParts {
  readonly catalog: Catalog;
  readonly store: NetworkStore;
  readonly kernel: KernelClient;
  readonly firewall: Firewall;
  readonly ports: PortTable;
  readonly relays: LoopbackRelays;
  readonly resolver: ResolverClient;
  readonly events: EventSink;
  readonly settings: {
    readonly directory: string;
    readonly table: string;
    readonly mtu: number;
    readonly ipv6: boolean;
    /** Where ports are published that name no address of the host. */
    readonly bindAddress: string;
    readonly log: (text: string) => void;
  };
}

/** Ports that the kernel refused are tried anew this often, where the user left the choice to us. */
const portTries = 20;

/** The containers' namespaces: rows in memory, which are also in the store. */
export class Sandboxes {
  readonly rows = new Map<string, SandboxRow>();
  readonly #parts: SandboxParts;

  constructor(parts: SandboxParts) {
    this.#parts = parts;
  }

  async open(plan: SandboxPlan, options: { caller: Caller; signal?: AbortSignal }): Promise<Sandbox> {
    const left = this.rows.get(plan.containerId);
    if (left !== undefined) await this.discard(left);
    const refused = new Set<string>();
    for (let attempt = 0; ; attempt += 1) {
      let row = this.#draft(plan, refused);
      try {
        row = await this.#make(row, plan);
      } catch (error) {
        await this.discard(this.rows.get(plan.containerId) ?? row);
        if (this.#mayRetry(error, plan, refused) && attempt < portTries) continue;
        throw await this.#explain(error, row);
      }
      if (options.signal?.aborted === true) {
        await this.discard(row);
        throw new EngineError("cancelled", `opening the network of container ${plan.containerName} was cancelled`);
      }
      this.publishEvents("connect", row, options.caller);
      return sandboxOf(row);
    }
  }

  async close(containerId: string, options: { caller: Caller }): Promise<void> {
    const row = this.rows.get(containerId);
    if (row === undefined) return;
    await this.discard(row);
    this.publishEvents("disconnect", row, options.caller);
  }

  /** Undoes a row, however far it came. Idempotent. */
  async discard(row: SandboxRow): Promise<void> {
    const { kernel, store, relays, resolver } = this.#parts;
    resolver.drop(row.containerId);
    if (row.ports.length > 0) relays.close(row.ports);
    for (const endpoint of row.endpoints) {
      // A container must be able to end, whatever a plugin says.
      await this.unplug(row, endpoint).catch((error: unknown) => this.#parts.settings.log(errorMessage(error)));
    }
    if (row.path !== "") await kernel.call({ op: "close", path: row.path, publish: this.publishCommand(row) });
    this.forget(row);
    store.deleteSandbox(row.containerId);
    // a connect at the same time may have told the names again: they would keep the namespace, and its links
    if (!this.rows.has(row.containerId)) resolver.drop(row.containerId);
  }

  /** Puts a row of the store (or of a live container) into memory. */
  adopt(row: SandboxRow): void {
    const { catalog, ports } = this.#parts;
    this.rows.set(row.containerId, row);
    for (const { networkId, ipv4, ipv6 } of row.endpoints) {
      catalog.adopt(networkId, ipv4);
      catalog.adopt(networkId, ipv6);
    }
    ports.adopt(row.ports, row);
  }

  /** Gives addresses and ports back and drops the row from memory. */
  forget(row: SandboxRow): void {
    const { catalog, ports, firewall } = this.#parts;
    if (this.rows.get(row.containerId) !== row) return;
    this.rows.delete(row.containerId);
    for (const { networkId, ipv4, ipv6 } of row.endpoints) {
      catalog.release(networkId, ipv4);
      catalog.release(networkId, ipv6);
    }
    ports.release(row.ports, row);
    firewall.touch();
  }

  /** A container got another name: messages and (later) names in DNS follow. */
  rename(containerId: string, name: string): void {
    const row = this.rows.get(containerId);
    if (row === undefined) return;
    const endpoints = row.endpoints.map((endpoint) => ({
      ...endpoint,
      dnsNames: endpoint.dnsNames.map((known) => (known === row.containerName ? name : known)),
    }));
    const next = { ...row, containerName: name, endpoints };
    this.replace(row, next);
    this.tellNames(next).catch((error: unknown) => this.#parts.settings.log(errorMessage(error)));
  }

  /** When it resolves, the container's names do: for itself and for the others on its networks. */
  async tellNames(row: SandboxRow): Promise<void> {
    const { resolver, catalog } = this.#parts;
    const box = boxOf(row, catalog, { served: resolver.serves(row.containerId) });
    if (box === undefined) resolver.drop(row.containerId);
    else {
      try {
        await resolver.put(box);
        if (!this.rows.has(row.containerId)) resolver.drop(row.containerId); // it ended meanwhile
      } catch (error) {
        if (!this.rows.has(row.containerId)) resolver.drop(row.containerId);
        if (isNamespace(row.path)) throw error;
        // moby parity: the answer to a connect whose container ends meanwhile
        throw new EngineError("conflict", `container ${row.containerId} is not running`, {}, { cause: error });
      }
    }
  }

  /** Puts a changed row in the place of the old one; addresses and ports are the caller's to give back. */
  replace(old: SandboxRow, row: SandboxRow): void {
    const { ports, store, firewall } = this.#parts;
    ports.release(old.ports, old);
    ports.adopt(row.ports, row);
    this.rows.set(row.containerId, row);
    store.putSandbox(row);
    firewall.touch();
  }

  /** Ports and where they lead. */
  published(row: SandboxRow): { port: PublishedPort; target: Target }[] {
    const gateway = row.endpoints.find((endpoint) => endpoint.networkId === row.gatewayNetworkId);
    const target = { ipv4: gateway?.ipv4 ?? "", ipv6: gateway?.ipv6 || (gateway?.hiddenIpv6 ?? "") };
    return row.ports.map((port) => ({ port, target }));
  }

  publishCommand(row: SandboxRow): PublishCommand {
    const elements = this.published(row).flatMap(({ port, target }) => elementOf(port, target) ?? []);
    return { table: this.#parts.settings.table, holds: holdsOf(row.ports), elements };
  }

  link(row: SandboxRow, endpoint: AttachedEndpoint, gateway: boolean): LinkCommand | undefined {
    const entry = this.#parts.catalog.byId(endpoint.networkId);
    const link = entry?.driver.link(entry.network, endpoint, { gateway, mtu: this.#parts.settings.mtu });
    return link === undefined || row.rate === undefined ? link : { ...link, rate: row.rate };
  }

  /** What may leave the container, where that is limited. */
  egress(row: SandboxRow): { egress: EgressRules } | Record<string, never> {
    return row.egress === undefined ? {} : { egress: egressOf(row, row.egress, this.#parts.catalog) };
  }

  publishEvents(
    action: "connect" | "disconnect",
    row: SandboxRow,
    caller: Caller,
    only?: readonly AttachedEndpoint[],
  ): void {
    for (const endpoint of only ?? row.endpoints) {
      const type = this.#parts.catalog.byId(endpoint.networkId)?.network.driver ?? "";
      this.#parts.events.publish({
        type: "network",
        action,
        id: endpoint.networkId,
        caller,
        attributes: { container: row.containerId, name: endpoint.networkName, type },
      });
    }
  }

  /** Chooses addresses and ports, and remembers them: from here on nobody else gets them. */
  #draft(plan: SandboxPlan, refused: ReadonlySet<string>): SandboxRow {
    const { catalog, settings } = this.#parts;
    const shared = plan.mode === "container" ? this.rows.get(plan.sharedWith ?? "") : undefined;
    if (plan.mode === "container" && shared === undefined) {
      throw new EngineError("conflict", `cannot join network of a non running container: ${plan.sharedWith}`);
    }
    for (const key of Object.keys(plan.sysctls)) {
      // Dots become slashes below /proc/sys: a key must not lead out of net/.
      if (!/^net[./]/.test(key) || key.split("/").some((part) => part === "" || part === "..")) {
        throw new EngineError("invalid", `sysctl ${key} is not in a separate network namespace`);
      }
    }
    using undo = new DisposableStack();
    const endpoints: AttachedEndpoint[] = [];
    for (const attachment of attachmentsOf(plan)) {
      const entry = catalog.get(attachment.network);
      if (endpoints.some(({ networkId }) => networkId === entry.network.id)) {
        throw new EngineError(
          "forbidden",
          `endpoint with name ${plan.containerName} already exists in network ${entry.network.name}`,
        );
      }
      const withHiddenIpv6 = settings.ipv6 && plan.ports.length > 0;
      checkLimits(entry, plan);
      const used = new Set(endpoints.map((other) => other.interfaceName));
      const interfaceName = interfaceNameFor(entry.network, attachment, used);
      const endpoint = draftEndpoint(catalog, entry, attachment, { plan, interfaceName, withHiddenIpv6 });
      undo.defer(() => {
        catalog.release(endpoint.networkId, endpoint.ipv4);
        catalog.release(endpoint.networkId, endpoint.ipv6);
      });
      endpoints.push(endpoint);
    }
    const gateway = gatewayOf(endpoints);
    const path = plan.mode === "host" || plan.mode === "container" ? "" : `${settings.directory}/${plan.containerId}`;
    const owner = { containerId: plan.containerId, containerName: plan.containerName };
    const given = gateway === undefined ? [] : this.#allocatePorts(plan, owner, gateway, refused);
    undo.move();
    const row: SandboxRow = {
      ...owner,
      path,
      endpoints,
      id: newId(),
      mode: plan.mode,
      ports: given,
      netnsPath: plan.mode === "container" ? (shared?.netnsPath ?? "") : path,
      gatewayNetworkId: gateway?.networkId ?? "",
      ...(plan.hostname === undefined ? {} : { hostname: plan.hostname }),
      ...(plan.nameservers === undefined ? {} : { nameservers: plan.nameservers }),
      ...(plan.egress === undefined ? {} : { egress: plan.egress }),
      ...(plan.rate === undefined ? {} : { rate: plan.rate }),
    };
    this.rows.set(row.containerId, row);
    return row;
  }

  #allocatePorts(
    plan: SandboxPlan,
    owner: PortOwner,
    gateway: AttachedEndpoint,
    refused: ReadonlySet<string>,
  ): PublishedPort[] {
    const entry = this.#parts.catalog.byId(gateway.networkId);
    // Docker publishes nothing by drivers that part containers from the host.
    if (entry?.driver.publishes !== true) return [];
    const binding = entry.network.options[bridgeOptions.hostBinding] ?? this.#parts.settings.bindAddress;
    const requests =
      binding === "0.0.0.0"
        ? plan.ports
        : plan.ports.map((request) => (request.hostIp === "" ? { ...request, hostIp: binding } : request));
    const routed = ([4, 6] as const).filter((family) => gatewayMode(entry.network, family) === "routed");
    try {
      return this.#parts.ports.allocate(requests, owner, { avoid: refused, routed });
    } catch (error) {
      if (error instanceof PortConflict) throw explainConflict(error, owner.containerName, gateway.id);
      throw error;
    }
  }

  async #make(row: SandboxRow, plan: SandboxPlan): Promise<SandboxRow> {
    const { store, kernel, firewall } = this.#parts;
    store.putSandbox(row);
    if (row.ports.length > 0) firewall.touch();
    fault("network.open.after-row");
    if (row.path === "") return row;
    const links = row.endpoints.flatMap(
      (endpoint) => this.link(row, endpoint, endpoint.networkId === row.gatewayNetworkId) ?? [],
    );
    const publish = this.publishCommand(row);
    const command = { path: row.path, links, sysctls: plan.sysctls, publish, ...this.egress(row) };
    if (row.ports.length > 0) await this.openRelays(row);
    try {
      await kernel.call({ op: "open", sandbox: command });
    } catch (error) {
      // Somebody took our table or bridge away a moment ago: put it back, then once more.
      if (!(error instanceof KernelFailure) || !["ENOENT", "ENODEV"].includes(error.code)) throw error;
      await this.#repair(row);
      await kernel.call({ op: "open", sandbox: command });
    }
    fault("network.open.before-plugs");
    const plugged = await this.#plugAll(row);
    fault("network.open.before-names");
    await this.tellNames(plugged);
    return plugged;
  }

  /** Drivers that let others plug in: the endpoints are what these made of them. */
  async #plugAll(row: SandboxRow): Promise<SandboxRow> {
    let now = row;
    for (const endpoint of row.endpoints) {
      if (this.#parts.catalog.byId(endpoint.networkId)?.driver.plugs === undefined) continue;
      const made = await this.plug(now, endpoint);
      const endpoints = now.endpoints.map((other) => (other === endpoint ? made : other));
      const next = { ...now, endpoints, gatewayNetworkId: gatewayOf(endpoints)?.networkId ?? "" };
      this.replace(now, next);
      now = next;
    }
    return now;
  }

  async plug(row: SandboxRow, endpoint: AttachedEndpoint): Promise<AttachedEndpoint> {
    const { catalog, kernel, settings } = this.#parts;
    const entry = catalog.byId(endpoint.networkId);
    if (entry?.driver.plugs === undefined) return endpoint;
    return entry.driver.plugs.plug(entry.network, endpoint, socketOf(row), { kernel, mtu: settings.mtu });
  }

  async unplug(row: SandboxRow, endpoint: AttachedEndpoint): Promise<void> {
    const entry = this.#parts.catalog.byId(endpoint.networkId);
    await entry?.driver.plugs?.unplug(entry.network, endpoint, socketOf(row));
  }

  /** For a running container that gets its first way out. The ports are taken by `replace`, so not kept here. */
  allocatePorts(row: SandboxRow, endpoints: readonly AttachedEndpoint[], plan: SandboxPlan): PublishedPort[] {
    const gateway = gatewayOf(endpoints);
    if (gateway === undefined || plan.ports.length === 0) return [];
    const given = this.#allocatePorts(plan, row, gateway, new Set());
    this.#parts.ports.release(given, row);
    return given;
  }

  /** The [::1] relays follow the gateway. */
  async moveRelays(old: SandboxRow, row: SandboxRow): Promise<void> {
    this.#parts.relays.close(old.ports);
    if (row.ports.length > 0) await this.openRelays(row);
  }

  async openRelays(row: SandboxRow): Promise<void> {
    const gateway = row.endpoints.find(({ networkId }) => networkId === row.gatewayNetworkId);
    await this.#parts.relays.open(row.ports, gateway?.ipv4 ?? "");
  }

  async #repair(row: SandboxRow): Promise<void> {
    for (const { networkId } of row.endpoints) {
      const entry = this.#parts.catalog.byId(networkId);
      await entry?.driver.up(entry.network, { kernel: this.#parts.kernel, mtu: this.#parts.settings.mtu });
    }
    await this.#parts.firewall.install();
  }

  #mayRetry(error: unknown, plan: SandboxPlan, refused: Set<string>): boolean {
    const refusal = error instanceof KernelFailure || error instanceof RelayTakenError ? error : undefined;
    if (refusal?.hold === undefined || refusal.code !== "EADDRINUSE") return false;
    const key = `${refusal.hold.protocol} ${refusal.hold.port}`;
    if (refused.has(key)) return false;
    refused.add(key);
    return plan.ports.some(({ hostPort }) => typeof hostPort !== "number" || hostPort === 0);
  }

  async #explain(error: unknown, row: SandboxRow): Promise<Error> {
    if (error instanceof EngineError) return error;
    const endpoint = row.endpoints.find(({ networkId }) => networkId === row.gatewayNetworkId);
    if ((error instanceof KernelFailure || error instanceof RelayTakenError) && error.hold !== undefined) {
      const { hold, code } = error;
      const hostIp = hold.hostIp === "" ? "0.0.0.0" : hold.hostIp;
      const holder = (await this.#parts.kernel.call({ op: "holder", port: hold })) as
        | { pid: number; program: string }
        | undefined;
      return explainConflict(
        { hostIp, port: hold.port, owner: undefined, holder, code },
        row.containerName,
        endpoint?.id ?? "",
      );
    }
    if (error instanceof KernelFailure && error.code === "sysctl") return new EngineError("invalid", error.message);
    return new EngineError(
      "internal",
      `cannot set up the network of container ${row.containerName}: ${errorMessage(error)}`,
      {},
      { cause: error },
    );
  }
}

const socketOf = ({ containerId, containerName, netnsPath }: SandboxRow): Socket => ({
  containerId,
  containerName,
  netnsPath,
});

const nsfsMagic = 0x6e736673; // NSFS_MAGIC, linux/magic.h

/** Whether a namespace is still mounted at the path. */
function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === nsfsMagic;
  } catch {
    return false; // gone
  }
}
