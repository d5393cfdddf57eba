import type { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { EngineError, errorMessage } from "../base/errors.ts";
import { newId } from "../base/id.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { EventSink } from "../events/bus.ts";
import type { Caller } from "../spec/caller.ts";
import { Copier } from "./content/copier.ts";
import type { VolumeDriver, VolumePlace } from "./driver.ts";
import type { VolumeDrivers } from "./drivers.ts";
import { hasImage, imageContent } from "./local/limit.ts";
import { PairSet } from "./pair-set.ts";
import { type SnapshotRow, type VolumeRow, VolumeTable } from "./volume.sql.ts";
import type { Volume } from "./volume.ts";

/** Archives are another feature's: what volumes need of it is given. */
export interface Archives {
  /** A tar of the folder behind a descriptor, which it closes. `done` resolves when nothing reads the folder any more. */
  pack(folderFd: number): { tar: Readable; done: Promise<void> };
  /** Unpacks a tar, plain or compressed, into a folder that is nobody else's: nothing in it leads out. */
  unpack(folder: string, tar: Readable, signal?: AbortSignal): Promise<void>;
}

export interface VolumesOptions {
  readonly db: Database;
  readonly dataRoot: string;
  readonly events: EventSink;
  readonly drivers: VolumeDrivers;
  readonly archives: Archives;
  /** Writes the new name where else the old one stands (rows of containers), inside the same transaction. */
  readonly followRename: (from: string, to: Volume) => void;
  readonly log: (level: "warn", message: string, fields?: Record<string, unknown>) => void;
}

const lockTimeoutMs = 120_000; // the longest a first-use copy of a big image folder should take
export const removedPrefix = ".removed-";
/** Below a volume's folder: what is being made, and goes when a daemon finds it at its start. */
export const draftPrefix = ".draft-";

/** What is known of volumes; the verbs are functions that take it. */
export class VolumeBooks {
  readonly root: string;
  readonly options: VolumesOptions;
  readonly table: VolumeTable;
  readonly byName = new Map<string, Volume>();
  readonly snapshots = new Map<string, Map<string, SnapshotRow>>();
  readonly filling: Set<string>;
  /** Containers that refer to a volume. */
  readonly holds: PairSet;
  /** Users for whom a driver has mounted it. */
  readonly mounts: PairSet;
  /** Users that have it open at the moment, whatever the driver. */
  readonly active = new PairSet(undefined, "volume_mounts");
  readonly copier = new Copier();
  readonly #locks = new KeyedLock();
  readonly #work = new Map<string, Set<string>>();

  constructor(options: VolumesOptions) {
    this.options = options;
    this.root = join(options.dataRoot, "volumes");
    this.table = new VolumeTable(options.db);
    this.holds = new PairSet(this.table, "volume_holds");
    this.mounts = new PairSet(this.table, "volume_mounts");
    this.filling = new Set();
    for (const row of this.table.snapshots()) this.keepSnapshot(row);
  }

  /** The rows as the last daemon left them. */
  load(rows: readonly VolumeRow[]): void {
    for (const { filling, removing: _removing, making: _making, renamedFrom: _from, ...row } of rows) {
      if (filling) this.filling.add(row.name);
      const place = this.place(row);
      const mountpoint =
        row.driver !== "local" ? "" : hasImage(place) ? imageContent(place) : join(place.folder, "_data");
      this.byName.set(row.name, { ...row, mountpoint, scope: "local" });
    }
  }

  /** not-found with Docker's text. */
  get(name: string): Volume {
    const found = this.byName.get(name);
    if (found === undefined) throw new EngineError("not-found", `get ${name}: no such volume`, { name });
    return found;
  }

  place = ({ name, options }: Pick<Volume, "name" | "options">): VolumePlace => ({
    name,
    options,
    folder: join(this.root, name),
  });

  driverOf = ({ driver }: { driver: string }): Promise<VolumeDriver> => this.options.drivers.get(driver);

  lock(name: string): Promise<Disposable> {
    return this.#locks.acquire(name, { timeoutMs: lockTimeoutMs, what: `volume ${name}` });
  }

  /** Within `lock`, around what a driver does: one mounts and unmounts a volume at a time. */
  driverLock(name: string): Promise<Disposable> {
    return this.#locks.acquire(`driver ${name}`, { timeoutMs: lockTimeoutMs, what: `volume ${name}` });
  }

  locked(name: string): boolean {
    return this.#locks.busy(name);
  }

  /** Says that work goes on with the content, which forbids to remove, rename or restore the volume meanwhile. */
  working(name: string, what: string): Disposable {
    const token = `${what} ${newId()}`;
    const all = this.#work.get(name) ?? new Set();
    this.#work.set(name, all.add(token));
    return {
      [Symbol.dispose]: () => {
        all.delete(token);
        if (all.size === 0 && this.#work.get(name) === all) this.#work.delete(name);
      },
    };
  }

  /** Throws conflict while such work goes on. */
  refuseWhileWorking(verb: string, name: string): void {
    const [first] = this.#work.get(name) ?? [];
    if (first === undefined) return;
    throw new EngineError("conflict", `${verb} ${name}: the volume is busy: ${first.split(" ")[0]} is going on`, {
      name,
    });
  }

  keepSnapshot(row: SnapshotRow): void {
    const all = this.snapshots.get(row.volume) ?? new Map<string, SnapshotRow>();
    this.snapshots.set(row.volume, all.set(row.name, row));
  }

  tell(action: string, volume: Volume, caller: Caller, attributes: Record<string, string> = {}): void {
    this.options.events.publish({
      type: "volume",
      action,
      id: volume.name,
      attributes: { driver: volume.driver, ...attributes },
      caller,
    });
  }
}

/** Docker's texts begin with what was tried on which volume. */
export async function named<T>(verb: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof EngineError) {
      if (cause.message.startsWith(`${verb} ${name}: `)) throw cause;
      throw new EngineError(cause.kind, `${verb} ${name}: ${cause.message}`, { ...cause.detail, name }, { cause });
    }
    throw new EngineError("internal", `${verb} ${name}: ${errorMessage(cause)}`, { name }, { cause });
  }
}
