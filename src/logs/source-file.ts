import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { LogSource, RecordFormat } from "./format.ts";
import { type FoundFile, logFiles } from "./rotating-file.ts";

const decompress = promisify(gunzip);

/** One open file of a log, which stays readable when it is rotated, compressed or deleted. */
export class SourceFile {
  readonly inode: bigint;
  readonly #handle: FileHandle;
  readonly #compressed: boolean;
  /** A compressed file's content, once somebody reads it. */
  #content: Promise<Buffer> | undefined;
  #modifiedMs: number;
  #closed = false;

  constructor(found: FoundFile, handle: FileHandle) {
    this.inode = found.inode;
    this.#modifiedMs = found.modifiedMs;
    this.#compressed = found.compressed;
    this.#handle = handle;
  }

  /** Up to so many bytes; none at the end. The memory is the caller's. */
  async read(offset: number, bytes: number): Promise<Buffer> {
    if (this.#compressed) return Buffer.from((await this.#decompressed()).subarray(offset, offset + bytes));
    const block = Buffer.allocUnsafeSlow(bytes);
    const { bytesRead } = await this.#handle.read(block, 0, bytes, offset);
    if (bytesRead === 0) this.#modifiedMs = (await this.#handle.stat()).mtimeMs;
    // a short read must not keep a big block alive
    return bytesRead * 4 < bytes ? Buffer.from(block.subarray(0, bytesRead)) : block.subarray(0, bytesRead);
  }

  /** Size up to the end of the last whole record. */
  async wholeSize(format: RecordFormat): Promise<number> {
    if (this.#compressed) return (await this.#decompressed()).length;
    const { size } = await this.#handle.stat();
    return size === 0 ? 0 : format.wholeSize(this.#handle.fd, size);
  }

  /** It was deleted, or replaced by its compressed form. */
  async unlinked(): Promise<boolean> {
    return (await this.#handle.stat()).nlink === 0;
  }

  /** A compressed file keeps the modification time of what it was made from. */
  isCompressedAs(candidate: FoundFile): boolean {
    return Math.abs(candidate.modifiedMs - this.#modifiedMs) < 1;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#content = undefined;
    await this.#handle.close();
  }

  #decompressed(): Promise<Buffer> {
    this.#content ??= this.#handle.readFile().then(decompress);
    return this.#content;
  }
}

export async function openFile(found: FoundFile): Promise<SourceFile> {
  const handle = await open(found.path, "r");
  const { ino } = await handle.stat({ bigint: true });
  if (ino === found.inode) return new SourceFile(found, handle);
  await handle.close();
  throw new Error(`${found.path} was rotated`);
}

/**
 * The files of a log, oldest first, without those that were finished before `sinceNs`. Tries again when a rotation
 * comes between.
 */
export async function openFiles(source: LogSource, sinceNs: bigint): Promise<SourceFile[]> {
  const sinceMs = Number(sinceNs / 1_000_000n);
  for (let attempt = 0; ; attempt++) {
    const opened: SourceFile[] = [];
    try {
      const files = await logFiles(source.path, source.maxFiles);
      for (const [index, found] of files.entries()) {
        if (found.modifiedMs >= sinceMs || index === files.length - 1) opened.push(await openFile(found));
      }
      return opened;
    } catch (error) {
      for (const file of opened) await file.close();
      if (attempt === 20) throw error;
    }
  }
}
