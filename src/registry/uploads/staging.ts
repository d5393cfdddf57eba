import { type FileHandle, open } from "node:fs/promises";
import { fault } from "../../base/fault.ts";
import type { DigestAlgorithm } from "../names.ts";

/** Written at once: large enough that the hand-over to the pool of threads costs nothing, small beside the memory. */
const batchBytes = 1024 * 1024;
/** Early write-back: the disk works while the network does, so that the wait at the end is short. */
const syncEveryBytes = 32 * 1024 * 1024;

/**
 * A file of the staging folder that is being written, and the digest of what it holds so far. After a restart the
 * digest is computed again from the file: there is no state that could disagree with it.
 */
export class Staging implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #algorithm: DigestAlgorithm;
  #hasher: Bun.CryptoHasher | undefined;
  #bytes: number;
  #syncedBytes: number;
  #syncing: Promise<void> | undefined;

  private constructor(handle: FileHandle, options: { path: string; algorithm: DigestAlgorithm; bytes: number }) {
    this.#handle = handle;
    this.#path = options.path;
    this.#algorithm = options.algorithm;
    this.#bytes = options.bytes;
    this.#syncedBytes = options.bytes;
    this.#hasher = options.bytes === 0 ? new Bun.CryptoHasher(options.algorithm) : undefined;
  }

  /** Opens a staged file, or makes an empty one. Rejects with ENOENT where `create` is false and there is none. */
  static async open(path: string, options: { algorithm: DigestAlgorithm; create: boolean }): Promise<Staging> {
    const handle = await open(path, options.create ? "wx+" : "r+", 0o600);
    try {
      const { size } = await handle.stat();
      return new Staging(handle, { path, algorithm: options.algorithm, bytes: size });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends a body as it comes. What came before a failure stays, whole batches of it; `limit` is asked before each
   * batch is written and throws where it would be too much.
   */
  async append(body: AsyncIterable<Uint8Array>, limit: (bytes: number) => void): Promise<void> {
    let batch: Uint8Array[] = [];
    let waiting = 0;
    const flush = async (): Promise<void> => {
      const full = batch;
      batch = [];
      limit(this.#bytes + waiting);
      await this.#write(full, waiting);
      waiting = 0;
    };
    try {
      for await (const chunk of body) {
        batch.push(chunk);
        waiting += chunk.length;
        if (waiting >= batchBytes) await flush();
      }
    } catch (error) {
      if (batch.length > 0) await flush(); // the client goes on from what it sent, not from a batch before
      throw error;
    }
    if (batch.length > 0) await flush();
  }

  async #write(batch: Uint8Array[], length: number): Promise<void> {
    const hasher = await this.#currentHasher();
    const writing = writeAll(this.#handle, batch, this.#bytes);
    for (const chunk of batch) hasher.update(chunk); // beside the write
    try {
      await writing;
    } catch (error) {
      this.#hasher = undefined; // it has seen more than the file holds
      await this.#handle.truncate(this.#bytes);
      throw error;
    }
    this.#bytes += length;
    fault("registry.staged");
    if (this.#bytes - this.#syncedBytes < syncEveryBytes || this.#syncing !== undefined) return;
    this.#syncedBytes = this.#bytes;
    this.#syncing = this.#handle
      .datasync()
      .catch(() => {
        // the sync at the end tells what is wrong
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** `sha256:...` of all that was written. */
  async digest(algorithm: DigestAlgorithm): Promise<string> {
    const hasher =
      algorithm === this.#algorithm ? (await this.#currentHasher()).copy() : await this.#hashFile(algorithm);
    return `${algorithm}:${hasher.digest("hex")}`;
  }

  async #currentHasher(): Promise<Bun.CryptoHasher> {
    this.#hasher ??= await this.#hashFile(this.#algorithm);
    return this.#hasher;
  }

  async #hashFile(algorithm: DigestAlgorithm): Promise<Bun.CryptoHasher> {
    const hasher = new Bun.CryptoHasher(algorithm);
    for await (const chunk of Bun.file(this.#path).slice(0, this.#bytes).stream()) hasher.update(chunk);
    return hasher;
  }

  /** Waits until all is on the disk. */
  async sync(): Promise<void> {
    await this.#syncing;
    await this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#syncing;
    await this.#handle.close();
  }
}

/** writev(2) may write less than all. */
async function writeAll(handle: FileHandle, batch: readonly Uint8Array[], position: number): Promise<void> {
  let rest = [...batch];
  let at = position;
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest, at);
    if (bytesWritten === 0) throw new Error("the disk took no bytes");
    at += bytesWritten;
    while (rest.length > 0 && bytesWritten >= (rest[0]?.length ?? 0)) bytesWritten -= rest.shift()?.length ?? 0;
    const [first] = rest;
    if (first !== undefined && bytesWritten > 0) rest = [first.subarray(bytesWritten), ...rest.slice(1)];
  }
}
