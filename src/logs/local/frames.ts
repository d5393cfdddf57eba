import { read } from "node:fs";
import { promisify } from "node:util";
import type { LogStream } from "../driver.ts";
import { noAttributes, type RecordFormat } from "../format.ts";
import type { Piece } from "../line-splitter.ts";

const readAt = promisify(read) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>;

// A record: u32 size | u8 flags | u64 time | u16 attribute bytes | attributes | line | u32 size. Size counts what is
// between the two sizes; the second one lets a reader walk backwards. Little endian.
const fixedBytes = 11;
const overhead = fixedBytes + 8;
const stderrFlag = 1;
const partialFlag = 2;
/** A line is at most 16 KiB and attributes at most 64 KiB: anything bigger is damage. */
const maxSize = 96 * 1024;
const newline = 0x0a;

/** Records of some pieces. */
export function encodeFrames(pieces: readonly Piece[], stream: LogStream, timeNs: bigint, attributes: string): Buffer {
  const extra = Buffer.from(attributes.length > 0xffff ? "" : attributes);
  const parts: Buffer[] = [];
  const put = (line: Buffer, flags: number): void => {
    const size = fixedBytes + extra.length + line.length;
    const bytes = Buffer.allocUnsafe(size + 8);
    bytes.writeUInt32LE(size, 0);
    bytes.writeUInt8(flags, 4);
    bytes.writeBigUInt64LE(timeNs, 5);
    bytes.writeUInt16LE(extra.length, 13);
    extra.copy(bytes, 15);
    line.copy(bytes, 15 + extra.length);
    bytes.writeUInt32LE(size, size + 4);
    parts.push(bytes);
  };
  const flags = stream === "stderr" ? stderrFlag : 0;
  for (const piece of pieces) {
    if (piece.partial) {
      put(piece.bytes, flags | partialFlag);
      continue;
    }
    for (let at = 0; at < piece.bytes.length;) {
      const end = piece.bytes.indexOf(newline, at);
      put(piece.bytes.subarray(at, end + 1), flags);
      at = end + 1;
    }
  }
  return Buffer.concat(parts);
}

/** The format of the driver `local`. */
export const frames: RecordFormat = {
  decode(bytes, sink) {
    let start = 0;
    while (bytes.length - start >= 4) {
      const size = bytes.readUInt32LE(start);
      if (size < fixedBytes || size > maxSize) return bytes.length; // damage: nothing after it can be trusted
      if (bytes.length - start < size + 8) break;
      const flags = bytes.readUInt8(start + 4);
      const extra = bytes.readUInt16LE(start + 13);
      const line = start + 15 + extra;
      const attributes =
        extra === 0 ? noAttributes : (JSON.parse(bytes.toString("utf8", start + 15, line)) as Record<string, string>);
      sink.take(
        (flags & stderrFlag) !== 0 ? "stderr" : "stdout",
        bytes.readBigUInt64LE(start + 5),
        bytes,
        line,
        start + 4 + size,
        attributes,
      );
      start += size + 8;
    }
    return start;
  },

  firstStart(block) {
    let start = block.length;
    while (start >= overhead) {
      const size = block.readUInt32LE(start - 4);
      if (size < fixedBytes || size > maxSize || start - size - 8 < 0) break;
      start -= size + 8;
    }
    return start === block.length ? -1 : start;
  },

  /** Only a walk from the start tells for sure; it reads the sizes alone. */
  async wholeSize(fd, size) {
    const head = Buffer.allocUnsafe(4);
    const block = Buffer.allocUnsafe(Math.min(size, maxSize + 8));
    // nearly always the file ends well: its last size agrees with the first size of that record
    await readAt(fd, block, 0, block.length, size - block.length);
    const last = block.length >= overhead ? block.readUInt32LE(block.length - 4) : 0;
    if (last >= fixedBytes && last + 8 <= block.length && block.readUInt32LE(block.length - last - 8) === last)
      return size;
    let at = 0;
    while (at + overhead <= size) {
      await readAt(fd, head, 0, 4, at);
      const length = head.readUInt32LE(0) + 8;
      if (length < overhead || length > maxSize + 8 || at + length > size) break;
      at += length;
    }
    return at;
  },

  recordEnd(batch, at) {
    let start = 0;
    while (start <= at && start < batch.length) start += batch.readUInt32LE(start) + 8;
    return start;
  },
};
