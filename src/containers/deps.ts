import type { KeyedLock } from "../base/keyed-lock.ts";
import type { EventSink } from "../events/bus.ts";
import type { ImageStore } from "../images/image.ts";
import type { LogDriver } from "../logs/driver.ts";
import type { Monitor } from "../monitor/monitor.ts";
import type { Networks } from "../networks/network.ts";
import type { RuntimeChoice, RuntimeDriver } from "../runtime/driver.ts";
import type { SeccompCache } from "../security/seccomp/cache.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import type { Volumes } from "../volumes/volume.ts";
import type { HeldTrees } from "./archive/held-trees.ts";
import type { CreateDefaults } from "./create/defaults.ts";
import type { Activity } from "./books/activity.ts";
import type { Records } from "./books/records.ts";
import type { Waiters } from "./books/waiters.ts";

/** How long a verb waits for another one on the same container. */
export const lockTimeoutMs = 60_000;

/** The features that containers are made of, and this feature's own books. Verbs take the ones they need. */
export interface ContainerDeps extends Books {
  readonly images: ImageStore;
  readonly snapshotter: Snapshotter;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly monitor: Monitor;
  readonly events: EventSink;
  readonly runtimes: Runtimes;
  readonly seccompCache: SeccompCache;
  readonly logDriver: (name: string) => Promise<LogDriver>;
  readonly settings: Settings;
}

/** What is known of containers: rows, locks, who waits, what this process does at the moment. */
export interface Books {
  readonly records: Records;
  readonly locks: KeyedLock;
  readonly waiters: Waiters;
  readonly activity: Activity;
  readonly trees: HeldTrees;
}

export interface Runtimes {
  /** The runtime of that name; empty = the default. invalid when it is unknown. */
  get(name: string): Runtime;
}

export interface Runtime {
  readonly choice: RuntimeChoice;
  readonly driver: RuntimeDriver;
  /** Its `--version` text. */
  readonly version: string;
  /** Takes a compiled seccomp filter by annotation (crun). */
  readonly takesFilter: boolean;
}

export interface Settings {
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Static init for `--init`; empty when the host has none. */
  readonly initPath: string;
  readonly hostMemoryBytes: number;
  readonly cgroupVersion: 1 | 2;
  /** Read at each create, so that a reload is seen. */
  defaults(): CreateDefaults;
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}
