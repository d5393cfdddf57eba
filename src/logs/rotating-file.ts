import { createReadStream, createWriteStream, close, fstat, ftruncate, open, write } from "node:fs";
import { rename, rm, stat, utimes } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import type { Rotation } from "./options.ts";

const openFile = promisify(open);
const closeFile = promisify(close);
const truncateFile = promisify(ftruncate);
const statFile = promisify(fstat) as (fd: number) => Promise<{ size: number }>;

/** What a file of records needs to know of its format. */
export interface RecordBounds {
  /** Size of the file up to the end of its last whole record. */
  wholeSize(fd: number, size: number): Promise<number>;
  /** End of the record that holds the byte at `at`. */
  recordEnd(batch: Buffer, at: number): number;
}

/**
 * A file of records that is bounded by rotation: `x`, `x.1` (or `x.1.gz`), `x.2`, ... A write that fails (a full
 * disk) is counted as lost and taken back to the last whole record; the next one tries again.
 */
export class RotatingFile {
  lostBytes = 0;
  readonly #path: string;
  readonly #rotation: Rotation;
  readonly #bounds: RecordBounds;
  #fd = -1;
  #size = 0;
  #compressing: Promise<void> = Promise.resolve();

  constructor(path: string, rotation: Rotation, bounds: RecordBounds) {
    this.#path = path;
    this.#rotation = rotation;
    this.#bounds = bounds;
  }

  /** Opens it for appending and cuts off a record that a crash tore. */
  async open(): Promise<void> {
    this.#fd = await openFile(this.#path, "a+", 0o640);
    const { size } = await statFile(this.#fd);
    this.#size = size === 0 ? 0 : await this.#bounds.wholeSize(this.#fd, size);
    if (this.#size < size) await truncateFile(this.#fd, this.#size);
  }

  /** Appends whole records. One call at a time. Never throws. */
  async append(batch: Buffer): Promise<void> {
    let at = 0;
    while (at < batch.length) {
      const room = this.#rotation.maxSizeBytes - this.#size;
      let end = batch.length;
      if (batch.length - at > room) {
        // moby parity: a file may go over its size by one record; a record is never split
        if (room <= 0 && this.#size > 0) await this.#rotate();
        end = this.#bounds.recordEnd(batch, at + Math.max(0, Math.min(room, batch.length - at) - 1));
      }
      await this.#write(at === 0 && end === batch.length ? batch : batch.subarray(at, end));
      at = end;
    }
  }

  async close(): Promise<void> {
    await this.#compressing;
    if (this.#fd !== -1) await closeFile(this.#fd);
    this.#fd = -1;
  }

  async #write(bytes: Buffer): Promise<void> {
    let done = 0;
    try {
      if (this.#fd === -1) await this.open();
      while (done < bytes.length) done += await writeSome(this.#fd, bytes, done);
      this.#size += bytes.length;
    } catch {
      // full disk, quota, I/O error: the container goes on, its output is lost and counted. Whole records stay:
      // somebody may have read them.
      const kept = this.#wholeRecords(bytes, done);
      this.#size += kept;
      this.lostBytes += bytes.length - kept;
      await this.#takeBack();
    }
  }

  /** End of the last record that ends in the first `length` bytes. */
  #wholeRecords(bytes: Buffer, length: number): number {
    let end = 0;
    while (end < length) {
      const next = this.#bounds.recordEnd(bytes, end);
      if (next > length) break;
      end = next;
    }
    return end;
  }

  async #takeBack(): Promise<void> {
    try {
      if (this.#fd !== -1) await truncateFile(this.#fd, this.#size);
    } catch {
      // the next open cuts the torn record off
    }
  }

  async #rotate(): Promise<void> {
    try {
      await this.#compressing;
      await this.#shift();
      if (this.#fd !== -1) await closeFile(this.#fd);
      this.#fd = -1;
      await this.open();
    } catch {
      this.#size = 0; // goes on in the same file for another full size rather than losing output
    }
  }

  async #shift(): Promise<void> {
    const { maxFiles, compress } = this.#rotation;
    if (maxFiles === 1) return rm(this.#path, { force: true });
    const last = `${this.#path}.${maxFiles - 1}`;
    await Promise.all([rm(last, { force: true }), rm(`${last}.gz`, { force: true })]);
    for (let number = maxFiles - 2; number >= 1; number--) {
      for (const suffix of ["", ".gz"]) {
        await rename(`${this.#path}.${number}${suffix}`, `${this.#path}.${number + 1}${suffix}`).catch(ignoreMissing);
      }
    }
    await rename(this.#path, `${this.#path}.1`);
    if (compress) this.#compressing = compressFile(`${this.#path}.1`);
  }
}

function writeSome(fd: number, bytes: Buffer, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, from, bytes.length - from, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

/** Replaces `x.1` by `x.1.gz`; keeps the plain file when that fails. Readers see one of both at any time. */
async function compressFile(path: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await pipeline(
      createReadStream(path),
      createGzip({ chunkSize: 256 * 1024 }),
      createWriteStream(temporary, { mode: 0o640 }),
    );
    const { atime, mtimeMs } = await stat(path);
    await utimes(temporary, atime, mtimeMs / 1000); // by it a follower recognises what it has read already
    await rename(temporary, `${path}.gz`);
    await rm(path, { force: true });
  } catch {
    await rm(temporary, { force: true });
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

export interface FoundFile {
  readonly path: string;
  readonly inode: bigint;
  readonly compressed: boolean;
  readonly modifiedMs: number;
}

/**
 * The files of a log that exist, oldest first. Looked at until two looks agree: a rotation in between moves files
 * from places not looked at yet to places looked at already.
 */
export async function logFiles(path: string, maxFiles: number): Promise<FoundFile[]> {
  let files = await look(path, maxFiles);
  for (;;) {
    const again = await look(path, maxFiles);
    if (again.length === files.length && again.every(({ inode }, index) => inode === files[index]?.inode)) return again;
    files = again;
  }
}

async function look(path: string, maxFiles: number): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (let number = maxFiles - 1; number >= 0; number--) {
    const base = number === 0 ? path : `${path}.${number}`;
    for (const name of number === 0 ? [base] : [`${base}.gz`, base]) {
      const info = await stat(name, { bigint: true }).catch(() => undefined);
      if (info?.isFile()) {
        found.push({
          path: name,
          inode: info.ino,
          compressed: name.endsWith(".gz"),
          modifiedMs: Number(info.mtimeNs / 1000n) / 1000,
        });
        break;
      }
    }
  }
  return found;
}
