import type { Sandbox } from "../networks/network.ts";
import type { Caller } from "../spec/caller.ts";
import type { ContainerConfig, HostConfig, NetworkingConfig } from "../spec/engine/types.gen.ts";
import type { ContainerPlan } from "./plan.ts";

/** What was asked, in wire form with the image's values merged in: inspect gives it back. Nothing decides by it. */
export interface ContainerRequest {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networking: NetworkingConfig;
}

export type Status = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

/** Times in nanoseconds since the epoch; 0n = never. */
export interface ContainerState {
  readonly status: Status;
  /** A start was begun and has neither succeeded nor been undone: the next daemon finishes or undoes it. */
  readonly starting: boolean;
  /** Limits were changed, and the kernel may not have them yet. */
  readonly updating?: boolean;
  /** It is being removed, and its anonymous volumes with it. */
  readonly removesVolumes?: boolean;
  readonly pid: number;
  /** Identity of pid against reuse: inode of its pidfd (Linux >= 6.9), else start time in clock ticks. */
  readonly pidIdentity: string;
  /** Counts the runs of this container; the monitor's records carry it. */
  readonly run: number;
  readonly startedAtNs: bigint;
  readonly finishedAtNs: bigint;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Text of a failed start; empty otherwise. */
  readonly error: string;
  readonly restartCount: number;
  /** A user stopped or killed it: the restart policy stays quiet. */
  readonly stoppedByUser: boolean;
  /** It has been started since it was made (`unless-stopped`, `always` at daemon start). */
  readonly hasRun: boolean;
  readonly sandbox: Sandbox | null;
  readonly health: HealthState | null;
}

export interface HealthState {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** Newest last, at most five (moby parity). */
  readonly log: readonly HealthResult[];
}

export interface HealthResult {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly exitCode: number;
  readonly output: string;
}

/** A volume, bind, tmpfs or image as it is mounted, for inspect. */
export interface MountView {
  readonly type: "bind" | "volume" | "tmpfs" | "image";
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly driver: string;
  readonly mode: string;
  readonly readWrite: boolean;
  readonly propagation: string;
}

/** One container: a snapshot that never changes; a change makes a new one. */
export interface Container {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAtNs: bigint;
  readonly owner: Caller;
  readonly imageId: string;
  /** The image's layers, lowest first: they stay for the container even when the image is removed by force. */
  readonly chainIds: readonly string[];
  /** The reference it was made from, as given. */
  readonly imageReference: string;
  readonly plan: ContainerPlan;
  readonly request: ContainerRequest;
  readonly mounts: readonly MountView[];
  readonly state: ContainerState;
  /** Exec ids that run or ended within the last minutes. */
  readonly execIds: readonly string[];
  readonly paths: ContainerPaths;
}

/** Host paths of one container. */
export interface ContainerPaths {
  /** Under the data root: hosts, hostname, resolv.conf, logs. */
  readonly folder: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolv: string;
  /** Empty when the driver writes no file. */
  readonly log: string;
  /** Where the rootfs is mounted while it runs. */
  readonly rootfs: string;
  /** OCI bundle, under the exec root. */
  readonly bundle: string;
}
