import type { Images } from "../../images/images.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import type { PruneOptions } from "../build.ts";
import type { CacheRecord } from "./cache-record.ts";
import { type BuildCache, cacheRecord, chainOf } from "./build-cache.ts";
import type { SyncedFolders } from "../context/synced-folders.ts";
import type { CacheMounts } from "./cache-mounts.ts";

export interface CacheDeps {
  readonly cache: BuildCache;
  readonly mounts: CacheMounts;
  /** Clients' folders that are kept from one build to the next. */
  readonly folders: SyncedFolders;
  readonly images: Images;
  readonly layers: LayerStore;
}

/** All records, as `builder du` and `system df` show them. */
export function cacheUsage({ cache, mounts, folders, images }: CacheDeps): CacheRecord[] {
  const imageLayers = new Set(images.list().flatMap((image) => image.chainIds));
  const results = cache.list();
  const byChain = new Map(results.map((result) => [chainOf(result.layers), result.id]));
  return [
    ...results.map((result) => {
      const below = result.layers.at(-2)?.chainId;
      const parent = below === undefined ? undefined : byChain.get(below);
      return cacheRecord(result, {
        inUse: cache.isInUse(result.id),
        imageLayers,
        parents: parent === undefined || parent === result.id ? [] : [parent],
      });
    }),
    ...mounts.records(),
    ...folders.list().map((folder) => ({
      ...folder,
      parents: [],
      type: "source.local" as const,
      shared: false,
    })),
  ];
}

/** Removes records, the least recently used first, what is needed by others after these. */
export async function pruneCache(
  deps: CacheDeps,
  options: PruneOptions,
  freeBytes: () => number = () => Number.POSITIVE_INFINITY,
): Promise<{ removed: readonly CacheRecord[]; reclaimedBytes: number }> {
  const candidates = cacheUsage(deps)
    .filter((record) => !record.inUse && !options.keep(record))
    // moby parity: without `all` what an image still has stays, as removing it frees nothing
    .filter((record) => options.all || !record.shared)
    .sort((a, b) => (a.lastUsedAtNs < b.lastUsedAtNs ? -1 : 1));
  let used = cacheUsage(deps).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const limited = options.maxUsedBytes > 0 || options.minFreeBytes > 0 || options.reservedBytes > 0;
  const removed: CacheRecord[] = [];
  let reclaimedBytes = 0;
  for (const record of candidates) {
    if (limited) {
      const tooMuch = options.maxUsedBytes > 0 && used > options.maxUsedBytes;
      const tooFull = options.minFreeBytes > 0 && freeBytes() < options.minFreeBytes;
      const onlyReserve = options.maxUsedBytes === 0 && options.minFreeBytes === 0;
      if (!(tooMuch || tooFull || onlyReserve)) break;
      if (options.reservedBytes > 0 && used - record.sizeBytes < options.reservedBytes) break;
    }
    // a build may have opened it meanwhile
    if (record.type === "exec.cachemount") {
      if (!(await deps.mounts.remove(record.id))) continue;
    } else if (record.type === "source.local") {
      if (!(await deps.folders.remove(record.id))) continue;
    } else if (!(await removeResult(deps, record.id))) continue;
    used -= record.sizeBytes;
    if (!record.shared) reclaimedBytes += record.sizeBytes;
    removed.push(record);
  }
  return { removed, reclaimedBytes };
}

/** Forgets a result, and removes its layers that neither an image nor another result has. */
async function removeResult({ cache, images, layers }: CacheDeps, id: string): Promise<boolean> {
  const result = cache.list().find((known) => known.id === id);
  if (!result || cache.isInUse(id)) return false;
  cache.remove(id);
  const needed = cache.needed();
  const imageLayers = new Set(images.list().flatMap((image) => image.chainIds));
  for (const { chainId } of result.layers.toReversed())
    if (!needed.has(chainId) && !imageLayers.has(chainId)) await layers.removeLayer(chainId);
  return true;
}
