import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { Appliers } from "./apply/appliers.ts";
import type { ApplyLimits } from "./apply/apply.ts";
import { snapshotterDrivers } from "./drivers.ts";
import type { LayerStore } from "./layers.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** 128 GiB of files and ten million members in one layer: far over any real image, far under a disk's death. */
export const defaultApplyLimits: ApplyLimits = { maxBytes: 128 * 1024 ** 3, maxEntries: 10_000_000 };

/** Opens the snapshotter of that name below the data root; finishes what an earlier process left half-done. */
export async function openSnapshotter(options: {
  dataRoot: string;
  driver?: string;
  limits?: ApplyLimits;
}): Promise<Snapshotter & LayerStore> {
  const name = options.driver || "overlay2";
  const open = Object.entries(snapshotterDrivers).find(([known]) => known === name)?.[1];
  if (!open)
    throw new EngineError(
      "invalid",
      `unknown storage driver "${name}": known are ${Object.keys(snapshotterDrivers).join(", ")}`,
      { driver: name },
    );
  return open({
    root: join(options.dataRoot, "snapshots", name === "overlay2" ? "overlay" : name),
    appliers: new Appliers({ maxWorkers: 2 }),
    limits: options.limits ?? defaultApplyLimits,
  });
}
