/** A volume as its driver sees it. */
export interface VolumePlace {
  readonly name: string;
  /** The engine's folder of this volume, below its data root. */
  readonly folder: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface DriverStatus {
  /** Where the driver says that the content is; empty when it does not know while nothing is mounted. */
  readonly mountpoint: string;
  /** What inspect shows as Status. */
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Where volumes come from. A driver knows folders, not containers: counting users is the work of who calls it. */
export interface VolumeDriver {
  readonly name: string;
  /** `global`: other machines that use this driver have the same volumes. */
  readonly scope: "local" | "global";
  /** Throws EngineError invalid naming the option. Touches nothing. */
  validate(options: Readonly<Record<string, string>>): void;
  /** Makes the volume. Idempotent. */
  create(place: VolumePlace): Promise<void>;
  /** Takes away what create made outside `folder`; the caller removes the folder. Idempotent. */
  remove(place: VolumePlace): Promise<void>;
  /** Where the content is while it is mounted; empty when only `mount` knows. */
  path(place: VolumePlace): string;
  /** False: content is there always, and mount and unmount do nothing. */
  mounts(place: VolumePlace): boolean;
  /** Makes the content reachable for a user and gives its folder on this host. Idempotent per user. */
  mount(place: VolumePlace, user: string): Promise<string>;
  /** Idempotent. `last`: nobody else uses it on this host. */
  unmount(place: VolumePlace, user: string, options: { last: boolean }): Promise<void>;
  /**
   * A folder on the same file system as the content but beside it, where new content may be made and then exchanged
   * with the old in one step; undefined when the content is the root of a mount. Of a mounted volume.
   */
  beside(place: VolumePlace): string | undefined;
  /** Changes the limit of its content in bytes, 0 = none. not-implemented where the driver keeps none. */
  resize(place: VolumePlace, limitBytes: number): Promise<void>;
  /** What a driver that keeps books of its own says of the volume; undefined when it does not have it. */
  inspect?(place: VolumePlace): Promise<DriverStatus | undefined>;
  /** Names of all volumes of a driver that keeps books of its own. */
  list?(): Promise<readonly (DriverStatus & { readonly name: string })[]>;
}
