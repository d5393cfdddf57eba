import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { ProxySettings } from "../../distribution/http/proxies.ts";
import type { Appliers } from "../../snapshots/apply/appliers.ts";
import type { ApplyLimits } from "../../snapshots/apply/apply.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";
import type { BuildCache } from "../cache/build-cache.ts";
import type { CacheMounts } from "../cache/cache-mounts.ts";
import type { TreeTools } from "../files/tree-tools.ts";
import type { StepRunner } from "../step-runner.ts";
import type { Semaphore } from "./semaphore.ts";

/** What steps of all builds work with. */
export interface SolverDeps {
  readonly cache: BuildCache;
  readonly mounts: CacheMounts;
  readonly layers: Snapshotter & LayerStore;
  readonly runner: StepRunner;
  readonly trees: TreeTools;
  readonly appliers: Appliers;
  readonly limits: ApplyLimits;
  /** By key: a step that two builds want is run once. */
  readonly locks: KeyedLock;
  /** For what ADD takes from the network. */
  readonly proxies: () => ProxySettings;
  /** How many steps run at once. */
  readonly permits: Semaphore;
  /** Keeps layers that no row names yet. */
  readonly hold: (chainIds: readonly string[]) => Disposable;
  /** Folder for mounts and files of steps at work: emptied at each start. */
  readonly workRoot: string;
  /** The same on the disk of the data root, for what may be large. */
  readonly spoolRoot: string;
}

/** Keys of writable snapshots that steps make begin so. */
export const snapshotPrefix = "build-";
