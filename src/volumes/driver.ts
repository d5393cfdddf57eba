/** Where volumes come from. A driver knows folders, not containers: counting users is volumes.ts's work. */
export interface VolumeDriver {
  readonly name: string;
  /** Throws EngineError invalid naming the option. Touches nothing. */
  validate(options: Readonly<Record<string, string>>): void;
  /** Makes the folder. Idempotent. */
  create(mountpoint: string): Promise<void>;
  /** Whether the options ask for a mount; without one, mount and unmount are never called. */
  mounts(options: Readonly<Record<string, string>>): boolean;
  /** Mounts what the options name at the mountpoint. Idempotent: a mount that is there stays. */
  mount(mountpoint: string, options: Readonly<Record<string, string>>): Promise<void>;
  /** Idempotent. */
  unmount(mountpoint: string): Promise<void>;
}
