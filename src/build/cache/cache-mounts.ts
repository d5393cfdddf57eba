import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { newId } from "../../base/id.ts";
import type { RunMount } from "../dockerfile/run-mount.ts";
import type { CacheRecord } from "./cache-record.ts";
import type { BuildTables, MountRow } from "./build-cache.sql.ts";

/** A folder of `RUN --mount=type=cache`, in use until it is disposed. */
export interface OpenCacheMount extends AsyncDisposable {
  readonly folder: string;
  /** It was made just now: initial content may be put into it. */
  readonly isNew: boolean;
}

/** What makes two mounts the same folder. */
export const cacheName = ({ id, target, from, source }: RunMount): string => `${id || target}\0${from}\0${source}`;

/** Folders that RUN steps share over builds. Rows on disk, answers from memory. */
export class CacheMounts {
  readonly #tables: BuildTables;
  readonly #root: string;
  readonly #folderBytes: (folder: string) => Promise<number>;
  readonly #rows = new Map<string, MountRow>();
  readonly #users = new Map<string, number>();
  readonly #locks = new Map<string, Promise<void>>();

  constructor(options: { tables: BuildTables; root: string; folderBytes: (folder: string) => Promise<number> }) {
    this.#tables = options.tables;
    this.#root = options.root;
    this.#folderBytes = options.folderBytes;
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    for (const row of this.#tables.mounts()) this.#rows.set(row.id, row);
    const known = new Set([...this.#rows.values()].map((row) => row.folder));
    for (const name of readdirSync(this.#root))
      if (!known.has(name)) rmSync(join(this.#root, name), { recursive: true, force: true });
  }

  /**
   * Opens the folder of a mount: `shared` is everybody's at once, `locked` one step's at a time, `private` a further
   * folder where the first one is in use.
   */
  async open(mount: RunMount, signal: AbortSignal): Promise<OpenCacheMount> {
    const base = cacheName(mount);
    await using undo = new AsyncDisposableStack();
    let id = base;
    if (mount.sharing === "locked") undo.defer(await this.#lock(base, signal));
    if (mount.sharing === "private") for (let copy = 1; (this.#users.get(id) ?? 0) > 0; copy++) id = `${base}\0${copy}`;
    this.#users.set(id, (this.#users.get(id) ?? 0) + 1);
    undo.defer(() => this.#leave(id));
    const folder = createHash("sha256").update(id).digest("hex").slice(0, 32);
    const path = join(this.#root, folder);
    const before = this.#rows.get(id);
    if (!before) {
      // the folder before its row: a start of the daemon removes folders without one
      mkdirSync(path, { recursive: true });
      chmodSync(path, mount.mode ?? 0o755);
      chownSync(path, mount.uid ?? 0, mount.gid ?? 0);
      this.#put({
        id,
        folder,
        description: `cached mount ${mount.target} from exec with id ${JSON.stringify(mount.id || mount.target)}`,
        size_bytes: 0,
        created_at_ns: nowNs().toString(),
        last_used_at_ns: nowNs().toString(),
        use_count: 0,
      });
    }
    const kept = undo.move();
    return { folder: path, isNew: !before, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }

  records(): CacheRecord[] {
    return [...this.#rows.values()].map((row) => ({
      id: row.folder.slice(0, 25),
      parents: [],
      type: "exec.cachemount",
      description: row.description,
      sizeBytes: row.size_bytes,
      createdAtNs: BigInt(row.created_at_ns),
      lastUsedAtNs: BigInt(row.last_used_at_ns),
      usageCount: row.use_count,
      inUse: (this.#users.get(row.id) ?? 0) > 0,
      shared: false,
    }));
  }

  /** Removes the folder of a record; false while a step uses it, or when there is none. */
  async remove(recordId: string): Promise<boolean> {
    const row = [...this.#rows.values()].find(({ folder }) => folder.startsWith(recordId));
    if (!row || (this.#users.get(row.id) ?? 0) > 0) return false;
    this.#tables.deleteMount(row.id);
    this.#rows.delete(row.id);
    // at once: a step may want a new one of that name while this one goes
    const gone = join(this.#root, `${row.folder}.${newId().slice(0, 12)}`);
    renameSync(join(this.#root, row.folder), gone);
    await rm(gone, { recursive: true, force: true });
    return true;
  }

  async #leave(id: string): Promise<void> {
    const count = (this.#users.get(id) ?? 1) - 1;
    if (count > 0) this.#users.set(id, count);
    else this.#users.delete(id);
    const row = this.#rows.get(id);
    if (!row) return;
    const sizeBytes = await this.#folderBytes(join(this.#root, row.folder));
    this.#put({ ...row, size_bytes: sizeBytes, last_used_at_ns: nowNs().toString(), use_count: row.use_count + 1 });
  }

  #put(row: MountRow): void {
    this.#tables.putMount(row);
    this.#rows.set(row.id, row);
  }

  async #lock(id: string, signal: AbortSignal): Promise<() => void> {
    const before = this.#locks.get(id) ?? Promise.resolve();
    const mine = Promise.withResolvers<void>();
    const tail = before.then(() => mine.promise);
    this.#locks.set(id, tail);
    void tail.then(() => {
      if (this.#locks.get(id) === tail) this.#locks.delete(id);
    });
    const abort = Promise.withResolvers<never>();
    const onAbort = (): void => abort.reject(new EngineError("cancelled", "the build was cancelled"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([before, abort.promise]);
    } catch (error) {
      mine.resolve();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    return () => mine.resolve();
  }
}
