import type { Readable } from "node:stream";
import type { Credentials } from "../distribution/registries.ts";
import type { Caller } from "../spec/caller.ts";
import type { OciDescriptor } from "../spec/oci/descriptor.ts";
import type { OciHistory, OciRunConfig } from "../spec/oci/image.ts";
import type { Image, ImageStore } from "./image.ts";
import type { WaterMarks } from "./water-marks.ts";

/** Everything that faces do with images. Progress goes to `report` as it happens. */
export interface Images extends ImageStore {
  /**
   * Makes an image of one root-filesystem tar (plain, gzip, zstd, xz, bzip2), given or behind an http address.
   * `changes` are Dockerfile lines.
   */
  import(
    tar: Readable | string,
    options: Asked & {
      repository: string;
      tag: string;
      message: string;
      changes: readonly string[];
      platform: string;
      report: Report;
    },
  ): Promise<Image>;
  /**
   * Docker archive, OCI layout or App Container Image, plain or compressed; several images, of all platforms or those
   * that are named. Layers that are here need not be in it. Nothing is visible before it is verified.
   */
  load(
    tar: Readable,
    options: Asked & { quiet: boolean; platforms?: readonly string[]; report: Report },
  ): Promise<readonly LoadedImage[]>;
  /**
   * One tar that is Docker archive and OCI layout at once, with manifests and compressed layers as they came. With
   * `platforms` only their images; layers whose chain ids `omit` has are left out, for a receiver that has them;
   * `onlyOci` makes manifests of Docker's types OCI's, which changes their digests.
   */
  save(
    references: readonly string[],
    options: Asked & { platforms?: readonly string[]; omit?: ReadonlySet<string>; onlyOci?: boolean },
  ): Promise<Readable>;
  /** One image as an App Container Image, its layers flattened. */
  saveAci(reference: string, options: Asked & { platform?: string }): Promise<Readable>;
  /** Moves the reference `repository:tag` to an image. */
  tag(reference: string, target: { repository: string; tag: string }, options: Asked): Promise<void>;
  /**
   * Untags and, with the last reference, deletes; `platforms` removes only the images of these behind the reference.
   * `inUse` tells which containers need an image.
   */
  remove(
    reference: string,
    options: Asked & { force: boolean; prune: boolean; platforms?: readonly string[]; inUse: InUse },
  ): Promise<readonly RemovedImage[]>;
  /** Removes every image that `keep` and containers leave. With `dryRun` nothing happens but the telling. */
  prune(options: Asked & { keep: (image: Image) => boolean; inUse: InUse; dryRun?: boolean }): Promise<Pruned>;
  /** Removes the longest unused images when more than the high mark is used, down to the low one. */
  collect(options: Asked & CollectOptions): Promise<Pruned>;
  /** Notes that a container uses the image, for `collect`. */
  use(imageId: string): void;
  /** Brings back layers that a crash or a full disk took from images; tells what it did or could not do. */
  heal(log: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Newest first. `layerBytes` of 0 for empty layers. */
  history(
    reference: string,
    options?: { platform?: string },
  ): readonly (OciHistory & { imageId: string; layerBytes: number; references: readonly string[] })[];
  /**
   * Downloads from a registry: what is here stays, interrupted downloads go on, a layer that two pulls want is
   * fetched once. With `allTags` every tag of the repository; then the last image is returned. The text of the
   * failure is Docker's where its clients match on it.
   */
  pull(reference: string, options: Asked & PullOptions): Promise<Image>;
  /** Uploads one tag, or all of the repository where `tag` is empty. */
  push(repository: string, options: Asked & PushOptions): Promise<void>;
  /** Says how the images of a reference, of all its platforms, are stored; for `--tree` and `manifests=1`. */
  manifests(reference: string): readonly ManifestView[];
  /**
   * Adds an image whose layers are in the store already (staged and committed under the chain ids of its
   * configuration), and points the references at it. As `build` does. Throws not-found when a layer is missing.
   */
  create(options: Asked & { configBytes: Uint8Array; parent?: string; references: readonly string[] }): Promise<Image>;
  /** Keeps layers from removal until disposed, for work that is not written down yet. */
  hold(chainIds: readonly string[]): Disposable;
  /** Makes an image of a container's changes: `diff` is a layer tar. */
  commit(
    options: Asked & {
      parent: string;
      diff: Readable;
      repository: string;
      tag: string;
      comment: string;
      author: string;
      config: OciRunConfig;
      changes: readonly string[];
      containerId: string;
      command: string;
    },
  ): Promise<Image>;
  /** Bytes of the files of all layers and of kept blobs, each counted once. */
  layersBytes(): number;
  /** What layers and blobs really take on the disk, as `du` counts. */
  diskBytes(): Promise<number>;
  /** For each image the bytes that no other image shares: removing it frees as many. */
  uniqueBytes(): ReadonlyMap<string, number>;
  /** Compares the store with itself; with `repair` damaged parts are fetched or made again, else dropped. */
  check(options: Asked & { repair: boolean; quick: boolean; inUse: InUse }): Promise<CheckReport>;
}

interface Asked {
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

/** A line of Docker's progress stream, before it is made JSON of the wire. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly current?: number;
  readonly total?: number;
  /** A word about `id` that is no state of it: Docker sends these without `progressDetail`. */
  readonly isNote?: boolean;
  /** Sent as it is, beside an empty `progressDetail`. */
  readonly aux?: Readonly<Record<string, unknown>>;
}
export type Report = (progress: Progress) => void;

export interface CollectOptions {
  readonly marks: WaterMarks;
  /** The disk of the data root. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number };
  readonly inUse: InUse;
}

export interface PullOptions {
  /** `os/arch/variant`; empty = the host's. */
  readonly platform: string;
  readonly allTags?: boolean;
  readonly credentials?: Credentials;
  readonly report: Report;
}

export interface PushOptions {
  /** Empty = all tags of the repository. */
  readonly tag: string;
  /** Pushes the image of this platform alone; empty = all that the tag stands for. */
  readonly platform: string;
  readonly credentials?: Credentials;
  readonly report: Report;
}

/** An entry of a reference's index, or its only manifest. */
export interface ManifestView {
  readonly descriptor: OciDescriptor;
  /** `attestation` speaks about another manifest; `unknown` is what no container runs from. */
  readonly kind: "image" | "attestation" | "unknown";
  /** The image, when it is here. */
  readonly image?: Image;
  /** Bytes of kept blobs of the manifest. */
  readonly contentBytes: number;
}

export interface Pruned {
  readonly removed: readonly RemovedImage[];
  /** The images that went or, in a dry run, would go. */
  readonly images: readonly Image[];
  readonly reclaimedBytes: number;
}

export interface CheckReport {
  /** How many were looked at. */
  readonly images: number;
  readonly layers: number;
  readonly blobs: number;
  readonly findings: readonly Finding[];
}

/** Something that is not as it should be. */
export interface Finding {
  readonly kind: "image" | "layer" | "blob" | "container";
  /** Id, chain id, digest or container id. */
  readonly id: string;
  readonly problem: string;
  /** Familiar references of the images that are concerned. */
  readonly images: readonly string[];
  /** What was done about it; empty for nothing. */
  readonly repaired: string;
}

/** `reference` is empty for an image that came without a name. */
export interface LoadedImage {
  readonly image: Image;
  readonly reference: string;
}

export type RemovedImage = { readonly untagged: string } | { readonly deleted: string };

/** Containers that were made from the image, with whether they run. */
export type InUse = (
  imageId: string,
) => readonly { readonly id: string; readonly running: boolean; readonly imageReference: string }[];
