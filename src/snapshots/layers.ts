import type { Readable } from "node:stream";
import type { AppliedLayer } from "./apply/appliers.ts";

/** Unpacked layers of a snapshotter: how images fill and empty it. */
export interface LayerStore {
  /**
   * Unpacks a plain tar beside the committed layers; several at once, in any order. `parent` may be given here or at
   * the commit. Throws `invalid` for a bad archive; then nothing is left. The caller disposes it.
   */
  stage(
    tar: AsyncIterable<Uint8Array>,
    options: { parent?: string | undefined; signal?: AbortSignal },
  ): Promise<StagedLayer>;
  /**
   * Makes a layer of what the writable snapshot `key` changed, without a copy; the snapshot, unmounted before, is gone
   * then. Times later than `notAfterSeconds` become that. The caller commits or disposes it.
   */
  adopt(key: string, options: { notAfterSeconds: number | null }): Promise<StagedLayer>;
  /** Shows the layers (lowest first) read-only at `target`, a folder that exists. `unmount` undoes it. */
  view(chainIds: readonly string[], target: string): Promise<void>;
  /** Keys of all writable snapshots. */
  keys(): readonly string[];
  /** Length of a committed layer's files and of its tar. not-found when it is not here. */
  size(chainId: string): LayerSize;
  /** Bytes that the layers take on the disk, with all that belongs to them. Those that are not here count nothing. */
  diskBytes(chainIds: readonly string[]): Promise<number>;
  /** The layer's tar, byte for byte as it came. not-found when it is not here. */
  tar(chainId: string): Readable;
  /** Removes the layer now, or when the last writable snapshot over it goes. Idempotent. */
  removeLayer(chainId: string): Promise<void>;
  /** Says that an image needs the layer (again): it outlives the writable snapshots over it. */
  keepLayer(chainId: string): void;
  /** Whether the layer's files still make the archive that they came from. Reads all of them. */
  isWhole(chainId: string): Promise<boolean>;
  /**
   * Takes a damaged layer away even when writable snapshots lie over it: they are whole again when the same layer is
   * committed anew. No error when it is not there.
   */
  discardLayer(chainId: string): void;
  /** Writable snapshots with layers that are not there. */
  incomplete(): readonly { readonly key: string; readonly chainIds: readonly string[] }[];
  /** Chain ids of all committed layers. */
  layers(): readonly string[];
  /** Waits for removals that go on in the background. */
  settled(): Promise<void>;
}

export interface LayerSize {
  readonly sizeBytes: number;
  readonly tarBytes: number;
  readonly diffId: string;
  /** The archive cannot be made again: content was replaced by way of links. */
  readonly irregular: boolean;
}

export interface StagedLayer extends AsyncDisposable {
  readonly applied: AppliedLayer;
  /**
   * Makes it the layer `chainId` by one rename. When that is there already, this one goes. `parent` is the chain id
   * below, committed before: its root folder's owner and mode are the new one's where the archive names none.
   */
  commit(chainId: string, options?: { parent?: string | undefined }): Promise<void>;
}
