import type { Readable } from "node:stream";
import type { Caller } from "../spec/caller.ts";

export interface Volume {
  readonly name: string;
  readonly driver: string;
  /** Host folder that is bind-mounted into containers; empty when the driver tells it only while it is mounted. */
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtNs: bigint;
  readonly anonymous: boolean;
  readonly scope: "local" | "global";
}

export interface VolumeCreate {
  /** Empty = a random name, an anonymous volume. */
  readonly name: string;
  /** A volume of this name that is not there is made as an anonymous one: its container chose the name. */
  readonly anonymous?: boolean;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** The content of a volume at one moment, kept beside it and removed with it. */
export interface VolumeSnapshot {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtNs: bigint;
  readonly sizeBytes: number;
}

/** What a volume uses of the disk. */
export interface VolumeSize {
  readonly name: string;
  /** Bytes of its files; -1 where they are not on a disk of this host. */
  readonly sizeBytes: number;
  /** 0 = no limit. */
  readonly limitBytes: number;
  readonly snapshots: number;
  readonly snapshotBytes: number;
  /** Ids of the containers that refer to it. */
  readonly users: readonly string[];
}

/** What containers and the API need of volumes. Reads answer from memory. */
export interface Volumes extends VolumeContents {
  /** Gives the existing volume of that name. conflict when it has another driver. */
  create(request: VolumeCreate): Promise<Volume>;
  /** not-found `get x: no such volume`. */
  get(name: string): Volume;
  /** As get, but asks the plugins for one that was not made by this engine, and for what they say of it. */
  inspect(name: string): Promise<Volume & { readonly status?: Readonly<Record<string, unknown>> }>;
  list(): readonly Volume[];
  /** As list, with what plugins have; the warnings name plugins that do not answer. */
  listAll(): Promise<{ volumes: readonly Volume[]; warnings: readonly string[] }>;
  /**
   * conflict `remove x: volume is in use - [<container ids>]`, and for one with the label `protected` unless `force`.
   */
  remove(name: string, options: { force: boolean; caller: Caller }): Promise<void>;
  /** Says that a container refers to the volume; written before use. Idempotent per pair. */
  hold(name: string, containerId: string): void;
  release(name: string, containerId: string): void;
  /** Container ids that refer to it. */
  users(name: string): readonly string[];
  /**
   * Driver's mount (NFS, tmpfs, ...) before a container starts, undone after it ends; for plain folders nothing. Both
   * idempotent per pair. `use` is told in the event.
   */
  mount(name: string, containerId: string, use?: VolumeUse): Promise<string>;
  unmount(name: string, containerId: string, use?: { caller: Caller }): Promise<void>;
  /** First-use copy: fills an empty volume with what the image has at `source` (a folder inside a mounted rootfs). */
  populate(name: string, rootfs: string, source: string): Promise<void>;
  /** Bytes in the volume. */
  usage(name: string): Promise<number>;
  /** Removes volumes that no container refers to: anonymous ones, or all; never one with the label `protected`. */
  prune(options: {
    all: boolean;
    labels: (labels: Readonly<Record<string, string>>) => boolean;
    caller: Caller;
  }): Promise<{ removed: string[]; reclaimedBytes: number }>;
}

/** What Docker lacks. Each is whole or leaves nothing, also over a crash. */
export interface VolumeContents {
  /** Gives the volume another name; containers that refer to it, running ones too, follow. */
  rename(name: string, to: string, caller: Caller): Promise<Volume>;
  /** Makes a volume with the same content (of a snapshot, if named), labels and limit. conflict when the name is taken. */
  copy(
    name: string,
    request: {
      to: string;
      snapshot?: string;
      labels?: Readonly<Record<string, string>>;
      options?: Readonly<Record<string, string>>;
      caller: Caller;
      signal?: AbortSignal;
    },
  ): Promise<Volume>;
  /** Changes labels (all of them) and the limit in bytes. */
  update(
    name: string,
    change: { labels?: Readonly<Record<string, string>>; limitBytes?: number; caller: Caller },
  ): Promise<Volume>;
  /** Keeps the content as it is now; files that are written meanwhile may be half there. */
  snapshot(
    name: string,
    request: { name: string; labels?: Readonly<Record<string, string>>; caller: Caller; signal?: AbortSignal },
  ): Promise<VolumeSnapshot>;
  /** Oldest first. */
  snapshots(name: string): readonly VolumeSnapshot[];
  removeSnapshot(name: string, snapshot: string, caller: Caller): Promise<void>;
  /** Puts the content back. conflict when a running container uses the volume. */
  restore(name: string, options: { snapshot: string; caller: Caller; signal?: AbortSignal }): Promise<void>;
  /** A tar of the content, or of a snapshot's. The volume cannot be removed until it is read or destroyed. */
  export(name: string, options: { snapshot?: string; caller: Caller }): Promise<Readable>;
  /**
   * Fills a volume, which is made if there is none, with what a tar (plain or compressed) holds. conflict when it has
   * content and `replace` is not set.
   */
  import(
    name: string,
    tar: Readable,
    options: {
      replace: boolean;
      labels?: Readonly<Record<string, string>>;
      options?: Readonly<Record<string, string>>;
      caller: Caller;
      signal?: AbortSignal;
    },
  ): Promise<Volume>;
  /** Of one volume, or of all. Walks the files. */
  sizes(name?: string): Promise<readonly VolumeSize[]>;
}

/** How a container uses a volume. */
export interface VolumeUse {
  readonly destination: string;
  readonly readOnly: boolean;
  readonly propagation: string;
  readonly caller: Caller;
}

/** Whether the label `protected` keeps it from prune, and from removal without force. */
export const isProtected = ({ labels }: Pick<Volume, "labels">): boolean =>
  labels["protected"] !== undefined && !/^(0|no|false)$/i.test(labels["protected"]);
