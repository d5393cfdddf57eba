import type { OciImageConfig } from "../spec/oci/image.ts";

/** An image that is complete in the store. Held in memory; the lists never touch the disk. */
export interface Image {
  /** `sha256:<hex>`: digest of the configuration blob. */
  readonly id: string;
  readonly config: OciImageConfig;
  /** Chain ids of the layers, lowest first: `snapshots` finds each unpacked layer by it. */
  readonly chainIds: readonly string[];
  /** Sum of the layers' unpacked bytes. */
  readonly sizeBytes: number;
  /** Familiar references that point here, sorted: `busybox:latest`. */
  readonly references: readonly string[];
  /**
   * Tags that mean this image only where its platform is asked for: they point to an index whose better fitting
   * image is here as well. An image with such tags is not dangling.
   */
  readonly variantOf: readonly string[];
  /** Repository digests: `busybox@sha256:...` of the manifest or index that was pulled, pushed or loaded. */
  readonly digests: readonly string[];
  /** When a reference last moved here or the image came in; nanoseconds since the epoch. */
  readonly taggedAtNs: bigint;
}

/** What other features need of images. */
export interface ImageStore {
  /**
   * Finds an image by reference, digest, id or unique id prefix. With a `platform` (`linux/arm64/v8`) the image of
   * that platform behind the reference. Throws not-found `No such image: x:latest`, Docker's text; or, where only
   * other platforms are here, Docker's `image with reference x was found but its platform (...) does not match ...`.
   */
  resolve(reference: string, options?: { platform?: string }): Image;
  list(): readonly Image[];
}
