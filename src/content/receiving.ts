import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { parseDigest } from "./digest.ts";
import { noSpace, syncFolder, writeChunks } from "./write.ts";

const flushBytes = 512 * 1024; // registries' chunks are small: one write for many
const readBytes = 256 * 1024;

/** What a blob must be. */
export interface Wanted {
  readonly digest: string;
  readonly sizeBytes: number;
}

/**
 * A blob that comes in and may be cut at any moment: what arrived stays for the next try, of this process or another.
 * Others can read along while it grows; they reach the end only when digest and size are verified.
 */
export class Receiving implements AsyncDisposable {
  readonly wanted: Wanted;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #place: string;
  readonly #received: () => void;
  readonly #done: () => void;
  #hash: Bun.CryptoHasher;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #receivedBytes = 0;
  #writtenBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #state: "open" | "verified" | "closed" = "open";
  #grown = Promise.withResolvers<void>();
  #ended = false;

  private constructor(options: ReceivingOptions & { file: FileHandle }) {
    this.wanted = options.wanted;
    this.#file = options.file;
    this.#path = options.path;
    this.#place = options.place;
    this.#received = options.received;
    this.#done = options.done;
    this.#hash = new Bun.CryptoHasher(parseDigest(this.wanted.digest).algorithm);
    this.#writing.catch(() => {}); // awaited by the next write
  }

  /** Opens what an earlier try left, if anything, and reads its bytes for the digest. */
  static async open(options: ReceivingOptions): Promise<Receiving> {
    const file = await open(options.path, "a+", 0o600);
    const receiving = new Receiving({ ...options, file });
    try {
      await receiving.#resume();
      return receiving;
    } catch (error) {
      await file.close();
      options.done();
      throw error;
    }
  }

  /** Bytes that are here already: go on with the byte of this number. */
  get offsetBytes(): number {
    return this.#receivedBytes;
  }

  /** Takes the next bytes, whose memory the caller must not use again. Throws `invalid` for more than is wanted. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > this.wanted.sizeBytes)
      throw new EngineError("invalid", `${this.wanted.digest} is longer than ${this.wanted.sizeBytes} bytes`, {
        digest: this.wanted.digest,
      });
    this.#hash.update(chunk);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < flushBytes) return;
    await this.#writing; // never more than two batches in memory
    this.#flush();
  }

  /**
   * Makes it a blob. Throws `invalid` when it is not the wanted one; nothing is kept then. When this returns it is on
   * the disk under its name.
   */
  async commit(): Promise<Wanted> {
    const { digest, sizeBytes } = this.wanted;
    await this.#settle();
    if (this.#receivedBytes !== sizeBytes) {
      await this.discard();
      throw new EngineError("invalid", `${digest} is ${this.#receivedBytes} bytes long, not ${sizeBytes}`, { digest });
    }
    const got = `${parseDigest(digest).algorithm}:${this.#hash.digest("hex")}`;
    if (got !== digest) {
      await this.discard();
      throw new EngineError("invalid", `the content's digest is ${got}, not ${digest}`, { digest });
    }
    this.#turn("verified");
    await this.#file.datasync();
    fault("content.receive.before-rename");
    await rename(this.#path, this.#place);
    this.#received();
    await syncFolder(dirname(this.#place));
    return this.wanted;
  }

  /** Forgets what has arrived: the next try begins anew. */
  async discard(): Promise<void> {
    this.#turn("closed");
    await rm(this.#path, { force: true });
  }

  /**
   * The bytes from the first on as they arrive; each piece is valid until the next one is asked for. Ends after the last when they are verified; throws `cancelled` when
   * that does not come to pass.
   */
  async *follow(options: { signal?: AbortSignal } = {}): AsyncGenerator<Buffer, void> {
    const file = await open(this.#state === "verified" ? `/proc/self/fd/${this.#file.fd}` : this.#path, "r");
    try {
      let at = 0;
      const memory = Buffer.allocUnsafe(readBytes);
      for (;;) {
        options.signal?.throwIfAborted();
        if (at === this.#writtenBytes) {
          if (this.#state === "verified") return;
          if (this.#state === "closed")
            throw new EngineError("cancelled", `receiving ${this.wanted.digest} ended early`);
          await this.#grown.promise;
          continue;
        }
        const { bytesRead } = await file.read(memory, 0, Math.min(readBytes, this.#writtenBytes - at), at);
        if (bytesRead === 0) throw new EngineError("internal", `${this.wanted.digest} was cut while it was received`);
        at += bytesRead;
        yield memory.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  /** Lets go; what has arrived and is no blob yet stays for the next try. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      if (this.#state === "open") await this.#settle();
    } catch {
      // the write's caller has seen it; what is on the disk counts at the next try
    } finally {
      if (this.#state === "open") this.#turn("closed");
      await this.#file.close();
      this.#done();
    }
  }

  async #resume(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size > this.wanted.sizeBytes) return this.#file.truncate(0);
    for (let at = 0; at < size;) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(readBytes), 0, readBytes, at);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
      this.#receivedBytes = at;
    }
    this.#writtenBytes = this.#receivedBytes;
  }

  async #settle(): Promise<void> {
    await this.#writing;
    this.#flush();
    await this.#writing;
  }

  #flush(): void {
    if (this.#pendingBytes === 0) return;
    const [chunks, bytes] = [this.#pending, this.#pendingBytes];
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#writing = writeChunks(this.#file, chunks).then(
      () => {
        this.#writtenBytes += bytes;
        this.#wake();
      },
      (error: unknown) => {
        throw noSpace(error);
      },
    );
    this.#writing.catch(() => {}); // thrown by the next write
  }

  #turn(state: "verified" | "closed"): void {
    this.#state = state;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#grown;
    this.#grown = Promise.withResolvers<void>();
    resolve();
  }
}

export interface ReceivingOptions {
  readonly wanted: Wanted;
  /** Where it grows, and where it belongs. */
  readonly path: string;
  readonly place: string;
  /** Called when the blob is in its place. */
  readonly received: () => void;
  /** Called when nobody writes any more. */
  readonly done: () => void;
}
