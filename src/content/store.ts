import { createReadStream, mkdirSync, readdirSync, rmSync, statSync, unlinkSync } from "node:fs";
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { EngineError } from "../base/errors.ts";

export interface BlobInfo {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** What must be true of bytes that come in. Without `maxBytes` and `sizeBytes` there is no limit. */
export interface Expectation {
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** Bytes kept for a piece of work, without a name in the store; gone when disposed, or at the next start. */
export interface Spool extends BlobInfo, AsyncDisposable {
  readonly path: string;
}

/** Keeps blobs from garbage collection while work that needs them is not written down yet. */
export interface Lease extends Disposable {
  keep(digest: string): void;
}

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** Blobs by digest: `<root>/sha256/<hex>`. One appears by a rename after it was verified and is on the disk. */
export class ContentStore {
  readonly #root: string;
  readonly #leases = new Set<Set<string>>();
  #count = 0;

  constructor(options: { root: string }) {
    this.#root = options.root;
    for (const folder of ["sha256", "ingest"]) mkdirSync(join(this.#root, folder), { recursive: true, mode: 0o700 });
    // what an earlier process was receiving
    for (const name of readdirSync(join(this.#root, "ingest")))
      rmSync(join(this.#root, "ingest", name), { force: true });
  }

  has(digest: string): boolean {
    return statSync(this.path(digest), { throwIfNoEntry: false }) !== undefined;
  }

  /** Length of a blob. not-found when it is not here. */
  sizeBytes(digest: string): number {
    const stat = statSync(this.path(digest), { throwIfNoEntry: false });
    if (!stat) throw missing(digest);
    return stat.size;
  }

  /** A blob as a stream. not-found when it is not here. */
  read(digest: string): Readable {
    this.sizeBytes(digest);
    return createReadStream(this.path(digest), { highWaterMark: 512 * 1024 });
  }

  /** A small blob whole. Throws `invalid` when it is longer than allowed. */
  async readAll(digest: string, maxBytes: number): Promise<Buffer> {
    if (this.sizeBytes(digest) > maxBytes)
      throw new EngineError("invalid", `${digest} is longer than ${maxBytes} bytes`, { digest });
    return readFile(this.path(digest));
  }

  /** Takes a blob in. Throws `invalid` for wrong content, before anything of it is visible. */
  async ingest(source: AsyncIterable<Uint8Array>, expected: Expectation = {}): Promise<BlobInfo> {
    await using spool = await this.#receive(source, expected, { durable: true });
    await rename(spool.path, this.path(spool.digest));
    await syncFolder(join(this.#root, "sha256"));
    return { digest: spool.digest, sizeBytes: spool.sizeBytes };
  }

  /** Receives bytes for work at hand, verified like `ingest`. */
  spool(source: AsyncIterable<Uint8Array>, expected: Expectation = {}): Promise<Spool> {
    return this.#receive(source, expected, { durable: false });
  }

  /** Removes a blob. Idempotent. */
  delete(digest: string): void {
    const path = this.path(digest);
    if (this.has(digest)) unlinkSync(path);
  }

  list(): BlobInfo[] {
    return readdirSync(join(this.#root, "sha256")).map((hex) => ({
      digest: `sha256:${hex}`,
      sizeBytes: this.sizeBytes(`sha256:${hex}`),
    }));
  }

  lease(): Lease {
    const kept = new Set<string>();
    this.#leases.add(kept);
    return { keep: (digest) => void kept.add(digest), [Symbol.dispose]: () => void this.#leases.delete(kept) };
  }

  /** Removes blobs that neither `needed` names nor a lease keeps; returns them. */
  collect(needed: (digest: string) => boolean): BlobInfo[] {
    const leased = (digest: string): boolean => [...this.#leases].some((lease) => lease.has(digest));
    const gone = this.list().filter(({ digest }) => !needed(digest) && !leased(digest));
    for (const { digest } of gone) this.delete(digest);
    return gone;
  }

  path(digest: string): string {
    if (!digestPattern.test(digest))
      throw new EngineError("invalid", `invalid digest ${JSON.stringify(digest)}`, { digest });
    return join(this.#root, "sha256", digest.slice(7));
  }

  async #receive(source: AsyncIterable<Uint8Array>, expected: Expectation, how: { durable: boolean }): Promise<Spool> {
    const path = join(this.#root, "ingest", `${process.pid}-${++this.#count}`);
    const remove = (): Promise<void> => rm(path, { force: true });
    const file = await open(path, "wx", 0o600);
    try {
      const info = await copy(source, file, expected);
      if (how.durable) await file.datasync();
      await file.close();
      return { ...info, path, [Symbol.asyncDispose]: remove };
    } catch (error) {
      await file.close();
      await remove();
      throw error;
    }
  }
}

async function copy(source: AsyncIterable<Uint8Array>, file: FileHandle, expected: Expectation): Promise<BlobInfo> {
  const hash = new Bun.CryptoHasher("sha256");
  const limit = expected.sizeBytes ?? expected.maxBytes ?? Number.POSITIVE_INFINITY;
  let sizeBytes = 0;
  for await (const chunk of source) {
    expected.signal?.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > limit)
      throw new EngineError("invalid", `the content is longer than ${limit} bytes`, { sizeBytes, limit });
    hash.update(chunk);
    await writeWhole(file, chunk);
  }
  if (expected.sizeBytes !== undefined && sizeBytes !== expected.sizeBytes)
    throw new EngineError("invalid", `the content is ${sizeBytes} bytes long, not ${expected.sizeBytes}`);
  const digest = `sha256:${hash.digest("hex")}`;
  if (expected.digest !== undefined && digest !== expected.digest)
    throw new EngineError("invalid", `the content's digest is ${digest}, not ${expected.digest}`, { digest });
  return { digest, sizeBytes };
}

async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT"))
      throw new EngineError("internal", "no space left on device", {}, { cause: error });
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const missing = (digest: string): EngineError =>
  new EngineError("not-found", `content ${digest} is not here`, { digest });
