import { EngineError } from "../base/errors.ts";
import { parseIp } from "../base/ip.ts";
import type { KnownNetwork, NetworkDriver } from "./driver.ts";
import { networkDrivers } from "./drivers.ts";
import { AddressPool } from "./ipam/address-pool.ts";

export interface CatalogEntry {
  readonly network: KnownNetwork;
  readonly driver: NetworkDriver;
  readonly pools: readonly AddressPool[];
}

/** The networks, in memory, in the order of their making. */
export class Catalog {
  readonly #entries = new Map<string, CatalogEntry>();

  async add(network: KnownNetwork): Promise<CatalogEntry> {
    const driver = await loadDriver(network.driver);
    const entry = { network, driver, pools: network.ipam.pools.map((pool) => new AddressPool(pool)) };
    this.#entries.set(network.id, entry);
    return entry;
  }

  delete(id: string): void {
    this.#entries.delete(id);
  }

  list(): CatalogEntry[] {
    return [...this.#entries.values()];
  }

  byId(id: string): CatalogEntry | undefined {
    return this.#entries.get(id);
  }

  byName(name: string): CatalogEntry | undefined {
    return this.list().find((entry) => entry.network.name === name);
  }

  /** By full id, exact name, id prefix. Docker's texts. */
  get(reference: string): CatalogEntry {
    const exact = this.#entries.get(reference) ?? this.byName(reference);
    if (exact !== undefined) return exact;
    const matches = reference === "" ? [] : this.list().filter((entry) => entry.network.id.startsWith(reference));
    if (matches.length > 1) {
      throw new EngineError(
        "invalid",
        `network ${reference} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    const [match] = matches;
    if (match === undefined)
      throw new EngineError("not-found", `network ${reference} not found`, { network: reference });
    return match;
  }

  /** Gives an address back to the pool it is of. */
  release(networkId: string, address: string): void {
    this.#poolOf(networkId, address)?.release(address);
  }

  adopt(networkId: string, address: string): void {
    this.#poolOf(networkId, address)?.adopt(address);
  }

  #poolOf(networkId: string, address: string): AddressPool | undefined {
    const ip = parseIp(address);
    return ip === undefined ? undefined : this.#entries.get(networkId)?.pools.find((pool) => pool.owns(ip));
  }
}

/** Loads a driver by Docker's name for it. not-found in Docker's text. */
export async function loadDriver(name: string): Promise<NetworkDriver> {
  const loaders: Readonly<Record<string, () => Promise<NetworkDriver>>> = networkDrivers;
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  if (load === undefined) throw new EngineError("not-found", `plugin "${name}" not found`, { driver: name });
  return load();
}
