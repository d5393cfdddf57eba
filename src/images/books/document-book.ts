import { EngineError } from "../../base/errors.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { type Document, readDocument } from "../../spec/oci/manifest.ts";
import type { ImageTable } from "./image.sql.ts";

/** A manifest or index that is kept; its bytes stay on the disk. */
export interface StoredDocument {
  /** Without annotations or platform: those belong to who points here. */
  readonly descriptor: OciDescriptor;
  readonly document: Document;
  /** The image that a manifest describes; empty for an index. */
  readonly imageId: string;
}

/** A verified manifest or index that comes in. */
export interface NewDocument {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Manifests and indexes as registries and archives gave them, so that a push gives the same bytes back. */
export class DocumentBook {
  readonly #table: ImageTable;
  readonly #documents = new Map<string, StoredDocument>();

  constructor(table: ImageTable) {
    this.#table = table;
    for (const row of table.documents()) this.#remember(row.digest, row.media_type, row.bytes, row.image_id);
  }

  get(digest: string): StoredDocument | undefined {
    return this.#documents.get(digest);
  }

  /** The bytes whose digest it is. not-found when it is not here. */
  bytes(digest: string): Buffer {
    const bytes = this.#table.documentBytes(digest);
    if (!bytes) throw new EngineError("not-found", `manifest ${digest} is not here`, { digest });
    return Buffer.from(bytes);
  }

  all(): readonly StoredDocument[] {
    return [...this.#documents.values()];
  }

  /** Manifests that describe the image, those of pulls first. */
  manifestsOf(imageId: string): readonly StoredDocument[] {
    return imageId === "" ? [] : this.all().filter((stored) => stored.imageId === imageId);
  }

  /**
   * The manifests that a target means, with those that are here: the target itself, or the entries of an index, of
   * indexes in it too. Entries of other kinds (attestations) are among them, as the index has them.
   */
  entries(target: string): readonly { descriptor: OciDescriptor; stored: StoredDocument | undefined }[] {
    const stored = this.get(target);
    if (!stored) return [];
    if (stored.document.kind === "manifest") return [{ descriptor: stored.descriptor, stored }];
    return stored.document.value.manifests.flatMap((descriptor) => {
      const inner = this.get(descriptor.digest);
      return inner?.document.kind === "index" ? this.entries(descriptor.digest) : [{ descriptor, stored: inner }];
    });
  }

  /** Writes the row inside a transaction of the caller; `remember` follows when that is committed. */
  write(document: NewDocument, imageId: string): void {
    this.#table.putDocument({
      digest: document.digest,
      media_type: document.mediaType,
      bytes: document.bytes,
      image_id: imageId,
    });
  }

  remember(document: NewDocument, imageId: string): void {
    this.#remember(document.digest, document.mediaType, document.bytes, imageId);
  }

  delete(digests: readonly string[]): void {
    if (digests.length === 0) return;
    this.#table.transaction(() => {
      for (const digest of digests) this.#table.deleteDocument(digest);
    });
    for (const digest of digests) this.#documents.delete(digest);
  }

  #remember(digest: string, mediaType: string, bytes: Uint8Array, imageId: string): void {
    this.#documents.set(digest, {
      descriptor: { mediaType, digest, size: bytes.length },
      document: readDocument(bytes, mediaType),
      imageId,
    });
  }
}
