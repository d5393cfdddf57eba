import { nowNs } from "../../base/clock.ts";
import { newId } from "../../base/id.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import type { CacheRecord } from "./cache-record.ts";
import type { BuildTables, ResultRow } from "./build-cache.sql.ts";

/** A layer of a step's result. */
export interface LayerRef {
  readonly chainId: string;
  readonly diffId: string;
}

/** One step that led to a result. */
export interface TrailStep {
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  /** It changed nothing and has no layer. */
  readonly empty: boolean;
  readonly content: string;
}

/** What a step made. */
export interface CachedResult {
  readonly id: string;
  /** All layers, lowest first; the step's own is the last one, unless it changed nothing. */
  readonly layers: readonly LayerRef[];
  /** Results that it was made over when it was made, by the keys that its inputs had: they tell when it is stale. */
  readonly inputs: Readonly<Record<string, string>>;
  /** `file:<digest>` of what was copied; empty for other steps. */
  readonly content: string;
  /** The steps from the image below up to this one, for the history of an image over it. */
  readonly trail: readonly TrailStep[];
  readonly description: string;
  /** Bytes of the step's own layer. */
  readonly sizeBytes: number;
  readonly createdAtNs: bigint;
  readonly lastUsedAtNs: bigint;
  readonly useCount: number;
}

/** Name of a file system: its topmost layer's chain id; `scratch` for an empty one. */
export const chainOf = (layers: readonly LayerRef[]): string => layers.at(-1)?.chainId ?? "scratch";

/** What steps of earlier builds made, found by keys. Rows on disk, answers from memory. */
export class BuildCache {
  readonly #tables: BuildTables;
  readonly #layers: Pick<LayerStore, "layers"> & { has(chainId: string): boolean };
  readonly #hold: (chainIds: readonly string[]) => Disposable;
  readonly #results = new Map<string, CachedResult>();
  readonly #keys = new Map<string, string>();
  readonly #holds = new Map<string, Disposable>();
  readonly #inUse = new Map<string, number>();
  readonly #touched = new Set<string>();

  constructor(options: {
    tables: BuildTables;
    layers: Pick<LayerStore, "layers"> & { has(chainId: string): boolean };
    /** Keeps layers from being removed with the last image that has them. */
    hold: (chainIds: readonly string[]) => Disposable;
  }) {
    this.#tables = options.tables;
    this.#layers = options.layers;
    this.#hold = options.hold;
    for (const row of this.#tables.results()) this.#results.set(row.id, fromRow(row));
    for (const { key, result_id } of this.#tables.keys()) this.#keys.set(key, result_id);
    // a layer that is not here any more (a power cut, a removal by hand): the step is run again
    for (const result of this.#results.values()) {
      if (result.layers.every(({ chainId }) => this.#layers.has(chainId))) this.#keep(result);
      else this.remove(result.id);
    }
  }

  /** The result under a key, when its layers are here and nothing below it has changed since. */
  find(key: string): CachedResult | undefined {
    const result = this.#results.get(this.#keys.get(key) ?? "");
    if (!result || !result.layers.every(({ chainId }) => this.#layers.has(chainId))) return undefined;
    return result;
  }

  /** Whether what the result was made over is what the cache would give for it now. */
  isFresh(result: CachedResult): boolean {
    return Object.entries(result.inputs).every(([key, chain]) => {
      const now = this.find(key);
      return now === undefined || chainOf(now.layers) === chain;
    });
  }

  /** The results are needed until the returned one is disposed. Their use is noted, on the disk by `flush`. */
  use(results: readonly CachedResult[]): Disposable {
    const now = nowNs();
    for (const { id } of results) {
      this.#inUse.set(id, (this.#inUse.get(id) ?? 0) + 1);
      const before = this.#results.get(id);
      if (before) this.#results.set(id, { ...before, lastUsedAtNs: now, useCount: before.useCount + 1 });
      this.#touched.add(id);
    }
    let done = false;
    return {
      [Symbol.dispose]: () => {
        if (done) return;
        done = true;
        for (const { id } of results) {
          const count = (this.#inUse.get(id) ?? 1) - 1;
          if (count === 0) this.#inUse.delete(id);
          else this.#inUse.set(id, count);
        }
      },
    };
  }

  /** Writes down which results were used: one commit for a whole build. */
  flush(): void {
    const rows = [...this.#touched].flatMap((id) => this.#results.get(id) ?? []);
    this.#touched.clear();
    if (rows.length > 0) this.#tables.touch(rows);
  }

  add(
    result: Omit<CachedResult, "id" | "createdAtNs" | "lastUsedAtNs" | "useCount"> & { createdAtNs?: bigint },
    keys: readonly string[],
  ): CachedResult {
    const now = nowNs();
    const made: CachedResult = {
      createdAtNs: now,
      ...result,
      id: newId().slice(0, 25),
      lastUsedAtNs: now,
      useCount: 0,
    };
    this.#tables.insert(toRow(made), keys);
    this.#results.set(made.id, made);
    for (const key of keys) this.#keys.set(key, made.id);
    this.#keep(made);
    return made;
  }

  /** Makes a result known under more keys. */
  alias(result: CachedResult, keys: readonly string[]): void {
    const fresh = keys.filter((key) => this.#keys.get(key) !== result.id);
    if (fresh.length === 0) return;
    this.#tables.point(fresh, result.id);
    for (const key of fresh) this.#keys.set(key, result.id);
  }

  list(): CachedResult[] {
    return [...this.#results.values()];
  }

  keysOf(result: CachedResult): string[] {
    return [...this.#keys].flatMap(([key, id]) => (id === result.id ? [key] : []));
  }

  isInUse(id: string): boolean {
    return this.#inUse.has(id);
  }

  /** Forgets a result. Its layers go when nothing else keeps them. Gives those that nobody holds any more. */
  remove(id: string): void {
    this.#tables.delete(id);
    this.#results.delete(id);
    for (const [key, result] of this.#keys) if (result === id) this.#keys.delete(key);
    this.#holds.get(id)?.[Symbol.dispose]();
    this.#holds.delete(id);
  }

  /** Chain ids that results need. */
  needed(): Set<string> {
    return new Set([...this.#results.values()].flatMap(({ layers }) => layers.map(({ chainId }) => chainId)));
  }

  #keep(result: CachedResult): void {
    this.#holds.set(result.id, this.#hold(result.layers.map(({ chainId }) => chainId)));
  }
}

function fromRow(row: ResultRow): CachedResult {
  return {
    id: row.id,
    layers: JSON.parse(row.layers) as LayerRef[],
    inputs: JSON.parse(row.inputs) as Record<string, string>,
    content: row.content,
    trail: JSON.parse(row.trail) as TrailStep[],
    description: row.description,
    sizeBytes: row.size_bytes,
    createdAtNs: BigInt(row.created_at_ns),
    lastUsedAtNs: BigInt(row.last_used_at_ns),
    useCount: row.use_count,
  };
}

function toRow(result: CachedResult): ResultRow {
  return {
    id: result.id,
    layers: JSON.stringify(result.layers),
    inputs: JSON.stringify(result.inputs),
    content: result.content,
    trail: JSON.stringify(result.trail),
    description: result.description,
    size_bytes: result.sizeBytes,
    created_at_ns: result.createdAtNs.toString(),
    last_used_at_ns: result.lastUsedAtNs.toString(),
    use_count: result.useCount,
  };
}

/** A result as faces show it. `imageLayers` are those that images have. */
export function cacheRecord(
  result: CachedResult,
  context: { inUse: boolean; imageLayers: ReadonlySet<string>; parents: readonly string[] },
): CacheRecord {
  return {
    id: result.id,
    parents: context.parents,
    type: "regular",
    description: result.description,
    sizeBytes: result.sizeBytes,
    createdAtNs: result.createdAtNs,
    lastUsedAtNs: result.lastUsedAtNs,
    usageCount: result.useCount,
    inUse: context.inUse,
    shared: context.imageLayers.has(chainOf(result.layers)),
  };
}
