import { type FileHandle, open, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { LogSource, RecordFormat } from "./format.ts";
import { type FoundFile, logFiles } from "./rotating-file.ts";

const decompress = promisify(gunzip);

/** One open file of a log, which stays readable when it is rotated, compressed or deleted. */
export class SourceFile {
  readonly inode: bigint;
  readonly #handle: FileHandle | undefined;
  readonly #content: Buffer | undefined;
  #modifiedMs: number;

  constructor(inode: bigint, modifiedMs: number, from: { handle: FileHandle } | { content: Buffer }) {
    this.inode = inode;
    this.#modifiedMs = modifiedMs;
    this.#handle = "handle" in from ? from.handle : undefined;
    this.#content = "content" in from ? from.content : undefined;
  }

  /** Up to so many bytes; none at the end. The memory is the caller's. */
  async read(offset: number, bytes: number): Promise<Buffer> {
    if (!this.#handle) return Buffer.from(this.#content?.subarray(offset, offset + bytes) ?? []);
    const block = Buffer.allocUnsafeSlow(bytes);
    const { bytesRead } = await this.#handle.read(block, 0, bytes, offset);
    if (bytesRead === 0) this.#modifiedMs = (await this.#handle.stat()).mtimeMs;
    // a short read must not keep a big block alive
    return bytesRead * 4 < bytes ? Buffer.from(block.subarray(0, bytesRead)) : block.subarray(0, bytesRead);
  }

  /** Size up to the end of the last whole record. */
  async wholeSize(format: RecordFormat): Promise<number> {
    if (!this.#handle) return this.#content?.length ?? 0;
    const { size } = await this.#handle.stat();
    return size === 0 ? 0 : format.wholeSize(this.#handle.fd, size);
  }

  /** A compressed file keeps the modification time of what it was made from. */
  isCompressedAs(candidate: FoundFile): boolean {
    return Math.abs(candidate.modifiedMs - this.#modifiedMs) < 1;
  }

  #closed = false;

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle?.close();
  }
}

export async function openFile(found: FoundFile): Promise<SourceFile> {
  if (found.compressed)
    return new SourceFile(found.inode, found.modifiedMs, { content: await decompress(await readFile(found.path)) });
  const handle = await open(found.path, "r");
  const { ino } = await handle.stat({ bigint: true });
  if (ino === found.inode) return new SourceFile(found.inode, found.modifiedMs, { handle });
  await handle.close();
  throw new Error(`${found.path} was rotated`);
}

/** All files of a log, oldest first. Tries again when a rotation comes between. */
export async function openFiles(source: LogSource): Promise<SourceFile[]> {
  for (let attempt = 0; ; attempt++) {
    const opened: SourceFile[] = [];
    try {
      for (const found of await logFiles(source.path, source.maxFiles)) opened.push(await openFile(found));
      return opened;
    } catch (error) {
      for (const file of opened) await file.close();
      if (attempt === 20) throw error;
    }
  }
}
