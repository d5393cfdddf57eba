import type { EngineClient } from "../../client/engine-client.ts";
import type { ContainerSummary, ImageSummary, Volume } from "../../spec/engine/types.gen.ts";

export interface BuildCacheRecord {
  readonly ID: string;
  readonly Type: string;
  readonly Description?: string;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  readonly LastUsedAt?: string | null;
  readonly UsageCount: number;
}

/** /system/df up to API 1.51, which is what this program speaks. */
export interface DiskUsage {
  readonly LayersSize: number;
  readonly Images: readonly ImageSummary[];
  readonly Containers: readonly ContainerSummary[];
  readonly Volumes: readonly Volume[];
  readonly BuildCache: readonly BuildCacheRecord[];
}

/** Asks for all kinds; lists that are null become empty. */
export async function readDiskUsage(engine: EngineClient): Promise<DiskUsage> {
  const reply: unknown = await engine.call("SystemDataUsage", {});
  const usage = reply as { readonly [Key in keyof DiskUsage]?: DiskUsage[Key] | null };
  return {
    LayersSize: usage.LayersSize ?? 0,
    Images: usage.Images ?? [],
    Containers: usage.Containers ?? [],
    Volumes: usage.Volumes ?? [],
    BuildCache: usage.BuildCache ?? [],
  };
}
