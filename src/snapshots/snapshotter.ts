import type { Readable } from "node:stream";

/**
 * A snapshotter keeps unpacked image layers, each once, and gives containers a writable copy-on-write file system
 * over a chain of them. A layer is committed by chain id (OCI image-spec, "Layer ChainID") and never changes again;
 * a writable snapshot has the key of its container.
 */
export interface Snapshotter {
  readonly name: string;
  /** Whether the unpacked layer is here and whole. */
  has(chainId: string): boolean;
  /**
   * Makes the writable snapshot `key` over the layers (lowest first). Idempotent. State before action: the caller has
   * a row. `bare`: without the places below the image that runtimes mount upon; for work with files alone.
   */
  prepare(key: string, chainIds: readonly string[], options?: { bare?: boolean }): Promise<void>;
  /** Mounts the writable snapshot at `target` (a folder that exists). Idempotent: a mount that is there stays. */
  mount(key: string, target: string): Promise<void>;
  /** Unmounts `target`; no error when nothing is mounted there. */
  unmount(target: string): Promise<void>;
  /** Removes the writable snapshot: away from sight at once, its files in the background. Idempotent. */
  remove(key: string): Promise<void>;
  /** Folders of the writable snapshot, for inspect's GraphDriver.Data. */
  paths(key: string): Record<string, string>;
  /** Bytes and files that the writable snapshot holds itself. */
  usage(key: string): Promise<{ bytes: number; files: number }>;
  /** What the snapshot changed over its layers, sorted by path. */
  changes(key: string): Promise<readonly Change[]>;
  /** The changes as an uncompressed layer tar, whiteouts included (OCI image-spec, "layer.md"). */
  diffTar(key: string): Readable;
}

export interface Change {
  readonly path: string;
  readonly kind: "modified" | "added" | "deleted";
}
