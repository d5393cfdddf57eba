import type { Caller } from "../spec/caller.ts";
import type { ImageDeps } from "./deps.ts";
import { bytesOf, layersBytes } from "./disk-use.ts";
import type { CollectOptions, Pruned } from "./images.ts";
import { prune } from "./remove.ts";
import type { Mark } from "./water-marks.ts";

/**
 * When images use more than the high mark: removes those that were not used for the longest time, down to the low
 * one. Never one that a container needs, running or not, and none whose children stay.
 */
export async function collect(
  deps: ImageDeps,
  options: CollectOptions & { readonly caller: Caller; readonly signal?: AbortSignal },
): Promise<Pruned> {
  const { marks, disk } = options;
  const result = {
    removed: [] as Pruned["removed"][number][],
    images: [] as Pruned["images"][number][],
    reclaimedBytes: 0,
  };
  const used = "percent" in marks.high ? disk.totalBytes - disk.freeBytes : layersBytes(deps);
  const limit = (value: Mark): number => ("percent" in value ? (disk.totalBytes * value.percent) / 100 : value.bytes);
  if (used <= limit(marks.high)) return result;
  const youngestNs = BigInt(Date.now() - marks.minAgeMs) * 1_000_000n;
  const oldest = deps.book
    .list()
    .filter((image) => deps.book.lastUsedNs(image.id) < youngestNs)
    .sort((a, b) => (deps.book.lastUsedNs(a.id) < deps.book.lastUsedNs(b.id) ? -1 : 1));
  for (const { id } of oldest) {
    if (used - result.reclaimedBytes <= limit(marks.low)) break;
    options.signal?.throwIfAborted();
    if (!deps.book.get(id)) continue;
    const bytes = bytesOf(deps, new Set([id]));
    const pruned = await prune(deps, {
      keep: (image) => image.id !== id,
      inUse: options.inUse,
      caller: options.caller,
      quiet: true,
      ...(options.signal && { signal: options.signal }),
    });
    if (pruned.images.length === 0) continue;
    result.removed.push(...pruned.removed);
    result.images.push(...pruned.images);
    result.reclaimedBytes += bytes;
  }
  return result;
}
