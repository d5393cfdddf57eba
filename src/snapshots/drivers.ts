import type { LayerStore } from "./layers.ts";
import type { Snapshotter } from "./snapshotter.ts";
import type { Appliers } from "./apply/appliers.ts";
import type { ApplyLimits } from "./apply/apply.ts";

export interface SnapshotterOptions {
  /** Folder of this driver alone. */
  readonly root: string;
  readonly appliers: Appliers;
  readonly limits: ApplyLimits;
}

/** Snapshotters by the name that `--storage-driver` takes. */
export const snapshotterDrivers = {
  overlay2: (options: SnapshotterOptions) =>
    import("./overlay/overlay.ts").then((m) => m.OverlaySnapshotter.open(options)),
} satisfies Record<string, (options: SnapshotterOptions) => Promise<Snapshotter & LayerStore>>;

export type SnapshotterName = keyof typeof snapshotterDrivers;
