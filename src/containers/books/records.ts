import { EngineError } from "../../base/errors.ts";
import type { Container, ContainerState } from "../container.ts";
import type { ContainerTable, Durability } from "./container.sql.ts";

/**
 * All containers, in memory for reads and in the table for the next daemon. A change is written to disk before it is
 * seen. Containers are frozen snapshots: who holds one keeps the past.
 */
export class Records {
  readonly #table: ContainerTable;
  readonly #byId = new Map<string, Container>();
  readonly #idByName = new Map<string, string>();
  #newestFirst: readonly Container[] | undefined;

  constructor(table: ContainerTable) {
    this.#table = table;
    for (const container of table.all()) this.#keep(container);
  }

  /** By full id, exact name (with or without slash), or unique id prefix. Docker's texts. */
  get(ref: string): Container {
    const found = this.find(ref);
    if (!found) throw new EngineError("not-found", `No such container: ${ref}`, { ref });
    return found;
  }

  find(ref: string): Container | undefined {
    const exact = this.#byId.get(ref) ?? this.byName(ref.startsWith("/") ? ref.slice(1) : ref);
    if (exact || !/^[0-9a-f]{1,64}$/.test(ref)) return exact;
    const matches = [...this.#byId.keys()].filter((id) => id.startsWith(ref));
    if (matches.length > 1)
      throw new EngineError("invalid", `Multiple IDs found with provided prefix: ${ref}`, { ref });
    return matches[0] === undefined ? undefined : this.#byId.get(matches[0]);
  }

  byName(name: string): Container | undefined {
    const id = this.#idByName.get(name);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Newest first. The same array until something changes. */
  list(): readonly Container[] {
    this.#newestFirst ??= [...this.#byId.values()].sort((a, b) => (a.createdAtNs < b.createdAtNs ? 1 : -1));
    return this.#newestFirst;
  }

  /** conflict with Docker's text when the name is taken. */
  insert(container: Container): void {
    this.#checkName(container.name, container.id);
    this.#table.insert(container);
    this.#keep(container);
  }

  /**
   * Writes a new state and gives the new snapshot. `process` is for what a power cut makes void anyway, as with it all
   * processes end: that a start was begun, or how a container ended that is removed at once.
   */
  setState(id: string, state: ContainerState, durability: Durability = "full"): Container {
    const container = { ...this.get(id), state };
    this.#table.writeState(container, durability);
    return this.#keep(container);
  }

  /** A new state that only memory needs (health samples between changes of status, restart counters). */
  setVolatile(id: string, state: ContainerState): Container {
    return this.#keep({ ...this.get(id), state });
  }

  setExecs(id: string, execIds: readonly string[]): void {
    const container = this.#byId.get(id);
    if (container) this.#keep({ ...container, execIds });
  }

  /** Writes changes other than the state: name, plan, request, mounts. */
  change(id: string, change: Partial<Omit<Container, "id" | "state">>): Container {
    const old = this.get(id);
    if (change.name !== undefined && change.name !== old.name) this.#checkName(change.name, id);
    const container = { ...old, ...change };
    this.#table.write(container);
    if (container.name !== old.name) this.#idByName.delete(old.name);
    return this.#keep(container);
  }

  delete(id: string, durability: Durability = "full"): void {
    const container = this.#byId.get(id);
    if (!container) return;
    this.#table.delete(id, durability);
    this.#byId.delete(id);
    this.#idByName.delete(container.name);
    this.#newestFirst = undefined;
  }

  #keep(container: Container): Container {
    this.#byId.set(container.id, container);
    this.#idByName.set(container.name, container.id);
    this.#newestFirst = undefined;
    return container;
  }

  #checkName(name: string, id: string): void {
    const holder = this.#idByName.get(name);
    if (holder === undefined || holder === id) return;
    throw new EngineError(
      "conflict",
      `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
      { name, holder },
    );
  }
}
