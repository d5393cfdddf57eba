/**
 * Where the bytes of blobs are. What they belong to, and whether they may be seen, is in the books: a driver knows
 * digests and nothing else, and verifies nothing. `conformance.ts` says what every driver must do.
 */
export interface BlobDriver extends AsyncDisposable {
  readonly name: string;
  /** Bytes of a blob, undefined where there is none. */
  size(digest: string): Promise<number | undefined>;
  /**
   * The body of an answer: a file that is sent without passing through the program, or a stream. `part` is half-open,
   * inside of the blob. What is missing shows as a rejection here or while it is read.
   */
  read(digest: string, part?: BytePart): Promise<Blob | ReadableStream<Uint8Array>>;
  /**
   * Takes a complete file of the staging folder, whose digest the caller has checked and whose bytes are on the disk:
   * when this ends, the blob survives a power cut. What lies there already is replaced in one step. The file is gone
   * afterwards.
   */
  adopt(file: string, digest: string): Promise<void>;
  /** Idempotent. Who reads the blob already goes on reading. */
  remove(digest: string): Promise<void>;
  /** All blobs, in no order; those that come or go meanwhile may be told or not. */
  list(): AsyncIterable<StoredBlob>;
}

export interface BytePart {
  readonly start: number;
  readonly end: number;
}

export interface StoredBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}
