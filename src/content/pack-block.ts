/** How layers of our own making travel. */
export type PackCompression = "gzip" | "zstd";

/** A block for the Worker; its memory is handed over. */
export interface PackOrder {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly compression: PackCompression;
}
export interface PackedBlock {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * A member of a gzip file (RFC 1952, 2.2) or a frame of a zstd stream: blocks after each other are a whole file, and
 * each is made without the others. Without times and names: the same bytes give the same bytes.
 */
export function packBlock(bytes: Uint8Array<ArrayBuffer>, compression: PackCompression): Uint8Array<ArrayBuffer> {
  const packed =
    compression === "gzip"
      ? Bun.gzipSync(bytes, { level: 1, library: "libdeflate" }) // 4 % larger than zlib's level 6, at 2.5 x the speed
      : Bun.zstdCompressSync(bytes, { level: 3 });
  return packed.byteLength === packed.buffer.byteLength && packed.buffer instanceof ArrayBuffer
    ? (packed as Uint8Array<ArrayBuffer>)
    : new Uint8Array(packed); // a view of shared memory cannot be handed over
}
