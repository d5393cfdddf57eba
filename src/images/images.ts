import type { Readable } from "node:stream";
import type { Caller } from "../spec/caller.ts";
import type { OciHistory, OciRunConfig } from "../spec/oci/image.ts";
import type { Image, ImageStore } from "./image.ts";

/** Everything that faces do with images. Progress goes to `report` as it happens. */
export interface Images extends ImageStore {
  /** Makes an image of one root-filesystem tar (plain, gzip, zstd, xz, bzip2). `changes` are Dockerfile lines. */
  import(
    tar: Readable,
    options: Asked & {
      repository: string;
      tag: string;
      message: string;
      changes: readonly string[];
      platform: string;
      report: Report;
    },
  ): Promise<Image>;
  /** Docker archive or OCI layout, plain or compressed; several images. Nothing is visible before it is verified. */
  load(tar: Readable, options: Asked & { quiet: boolean; report: Report }): Promise<readonly LoadedImage[]>;
  /** One tar that is Docker archive and OCI layout at once. */
  save(references: readonly string[], options: Asked): Promise<Readable>;
  /** Moves the reference `repository:tag` to an image. */
  tag(reference: string, target: { repository: string; tag: string }, options: Asked): Promise<void>;
  /** Untags and, with the last reference, deletes. `inUse` tells which containers need an image. */
  remove(
    reference: string,
    options: Asked & { force: boolean; prune: boolean; inUse: InUse },
  ): Promise<readonly RemovedImage[]>;
  prune(
    options: Asked & { keep: (image: Image) => boolean; inUse: InUse },
  ): Promise<{ removed: readonly RemovedImage[]; reclaimedBytes: number }>;
  /** Newest first. `layerBytes` of 0 for empty layers. */
  history(
    reference: string,
  ): readonly (OciHistory & { imageId: string; layerBytes: number; references: readonly string[] })[];
  /** Downloads from a registry. Until registries are built: not-found, Docker's text. */
  pull(reference: string, options: Asked & { platform: string; auth: string; report: Report }): Promise<Image>;
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
  /** Bytes of all layers on disk, each counted once. */
  layersBytes(): number;
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
}
export type Report = (progress: Progress) => void;

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
