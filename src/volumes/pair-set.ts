import type { Pair, VolumeTable } from "./volume.sql.ts";

/**
 * Volume and container, held in memory and written through: what is true of a pair is on disk before it is used.
 * Without a table it is true for this process alone.
 */
export class PairSet {
  readonly #table: VolumeTable | undefined;
  readonly #name: "volume_holds" | "volume_mounts";
  readonly #containers = new Map<string, Set<string>>();

  constructor(table: VolumeTable | undefined, name: "volume_holds" | "volume_mounts") {
    this.#table = table;
    this.#name = name;
    for (const pair of table?.pairs(name) ?? []) this.#remember(pair);
  }

  containers(volume: string): readonly string[] {
    return [...(this.#containers.get(volume) ?? [])];
  }

  all(): readonly Pair[] {
    return [...this.#containers].flatMap(([name, containers]) =>
      [...containers].map((container) => ({ name, container })),
    );
  }

  add(name: string, container: string): void {
    if (this.#containers.get(name)?.has(container)) return;
    this.#table?.add(this.#name, { name, container });
    this.#remember({ name, container });
  }

  drop(name: string, container: string): void {
    const containers = this.#containers.get(name);
    if (!containers?.has(container)) return;
    this.#table?.drop(this.#name, { name, container });
    containers.delete(container);
    if (containers.size === 0) this.#containers.delete(name);
  }

  /** The volume is gone, and its rows with it. */
  forget(name: string): void {
    this.#containers.delete(name);
  }

  /** The rows have the new name already. */
  rename(from: string, to: string): void {
    const containers = this.#containers.get(from);
    this.#containers.delete(from);
    if (containers) this.#containers.set(to, containers);
  }

  #remember({ name, container }: Pair): void {
    const containers = this.#containers.get(name) ?? new Set();
    containers.add(container);
    this.#containers.set(name, containers);
  }
}
