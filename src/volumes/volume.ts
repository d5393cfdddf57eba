import type { Caller } from "../spec/caller.ts";

export interface Volume {
  readonly name: string;
  readonly driver: string;
  /** Host folder that is bind-mounted into containers. */
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtNs: bigint;
  readonly anonymous: boolean;
}

export interface VolumeCreate {
  /** Empty = a random name, an anonymous volume. */
  readonly name: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** What containers and the API need of volumes. Reads answer from memory. */
export interface Volumes {
  /** Gives the existing volume of that name. conflict when it has another driver. */
  create(request: VolumeCreate): Promise<Volume>;
  /** not-found `get x: no such volume`. */
  get(name: string): Volume;
  list(): readonly Volume[];
  /** conflict `remove x: volume is in use - [<container ids>]`. */
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
  /** Removes volumes that no container refers to: anonymous ones, or all. */
  prune(options: {
    all: boolean;
    labels: (labels: Readonly<Record<string, string>>) => boolean;
    caller: Caller;
  }): Promise<{ removed: string[]; reclaimedBytes: number }>;
}

/** How a container uses a volume. */
export interface VolumeUse {
  readonly destination: string;
  readonly readOnly: boolean;
  readonly propagation: string;
  readonly caller: Caller;
}
