import { createReadStream, mkdirSync, readdirSync, rmSync, statSync, unlinkSync } from "node:fs";
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { EngineError } from "../base/errors.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import { type DigestAlgorithm, parseDigest } from "./digest.ts";
import { Receiving, type Wanted } from "./receiving.ts";
import { noSpace, syncFolder, writeChunks } from "./write.ts";

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

const algorithms: readonly DigestAlgorithm[] = ["sha256", "sha512"];
const partialSuffix = ".partial";
/** What a cut download left waits so long for its next try. */
const partialDays = 3;
const waitMs = 60 * 60 * 1000; // another may be receiving the same big blob

/**
 * Blobs by digest: `<root>/<algorithm>/<hex>`. One appears by a rename after it was verified and is on the disk; those
 * that are coming in grow as `ingest/<algorithm>-<hex>.partial` and outlive the process. Names and lengths are
 * answered from memory. Leases live in memory alone, so those of a process that died are void.
 */
export class ContentStore {
  readonly #root: string;
  readonly #blobs = new Map<string, number>();
  readonly #leases = new Set<Set<string>>();
  readonly #locks = new KeyedLock();
  #count = 0;

  constructor(options: { root: string }) {
    this.#root = options.root;
    for (const folder of [...algorithms, "ingest"])
      mkdirSync(join(this.#root, folder), { recursive: true, mode: 0o700 });
    const oldest = Date.now() - partialDays * 24 * 3600 * 1000;
    for (const name of readdirSync(join(this.#root, "ingest"))) {
      const path = join(this.#root, "ingest", name);
      // spools of an earlier process, and downloads that nobody came back to
      if (!name.endsWith(partialSuffix) || statSync(path).mtimeMs < oldest) rmSync(path, { force: true });
    }
    for (const algorithm of algorithms)
      for (const hex of readdirSync(join(this.#root, algorithm)))
        this.#blobs.set(`${algorithm}:${hex}`, statSync(join(this.#root, algorithm, hex)).size);
  }

  has(digest: string): boolean {
    return this.#blobs.has(digest);
  }

  /** Length of a blob. not-found when it is not here. */
  sizeBytes(digest: string): number {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) throw missing(digest);
    return bytes;
  }

  /** A blob as a stream, from an offset on. not-found when it is not here. */
  read(digest: string, options: { offsetBytes?: number } = {}): Readable {
    this.sizeBytes(digest);
    return createReadStream(this.path(digest), { highWaterMark: 512 * 1024, start: options.offsetBytes ?? 0 });
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
    await this.#name(spool);
    return { digest: spool.digest, sizeBytes: spool.sizeBytes };
  }

  /**
   * Takes in a blob whose digest and size are known, going on where an earlier try ended. One at a time receives a
   * blob; others wait. The caller disposes it, and looks with `has` first: another may have brought it meanwhile.
   */
  async receive(wanted: Wanted, options: { signal?: AbortSignal } = {}): Promise<Receiving> {
    const place = this.path(wanted.digest);
    const turn = await this.#locks.acquire(wanted.digest, {
      timeoutMs: waitMs,
      what: `blob ${wanted.digest}`,
      ...(options.signal && { signal: options.signal }),
    });
    return Receiving.open({
      wanted,
      place,
      path: join(this.#root, "ingest", `${wanted.digest.replace(":", "-")}${partialSuffix}`),
      received: () => void this.#blobs.set(wanted.digest, wanted.sizeBytes),
      done: () => turn[Symbol.dispose](),
    });
  }

  /** Receives bytes for work at hand, verified like `ingest`. */
  spool(source: AsyncIterable<Uint8Array>, expected: Expectation = {}): Promise<Spool> {
    return this.#receive(source, expected, { durable: false });
  }

  /** Makes a spool a blob. Its path is gone then. */
  async keep(spool: Spool): Promise<BlobInfo> {
    const file = await open(spool.path, "r");
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#name(spool);
    return { digest: spool.digest, sizeBytes: spool.sizeBytes };
  }

  /** Removes a blob. Idempotent. */
  delete(digest: string): void {
    const path = this.path(digest);
    if (!this.#blobs.delete(digest)) return;
    try {
      unlinkSync(path);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }

  list(): BlobInfo[] {
    return [...this.#blobs].map(([digest, sizeBytes]) => ({ digest, sizeBytes }));
  }

  lease(): Lease {
    const kept = new Set<string>();
    this.#leases.add(kept);
    return { keep: (digest) => void kept.add(digest), [Symbol.dispose]: () => void this.#leases.delete(kept) };
  }

  isLeased(digest: string): boolean {
    return [...this.#leases].some((lease) => lease.has(digest));
  }

  /** Removes blobs that neither `needed` names nor a lease keeps; returns them. */
  collect(needed: (digest: string) => boolean): BlobInfo[] {
    const gone = this.list().filter(({ digest }) => !needed(digest) && !this.isLeased(digest));
    for (const { digest } of gone) this.delete(digest);
    return gone;
  }

  /** Whether the blob's bytes still have its digest. Reads all of it. */
  async isWhole(digest: string): Promise<boolean> {
    const hash = new Bun.CryptoHasher(parseDigest(digest).algorithm);
    try {
      for await (const chunk of this.read(digest)) hash.update(chunk as Buffer);
    } catch {
      return false; // not there, or the disk cannot read it
    }
    return digest.endsWith(`:${hash.digest("hex")}`);
  }

  path(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#root, algorithm, hex);
  }

  async #name(spool: Spool): Promise<void> {
    const place = this.path(spool.digest);
    await rename(spool.path, place);
    this.#blobs.set(spool.digest, spool.sizeBytes);
    await syncFolder(join(place, ".."));
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
      throw noSpace(error);
    }
  }
}

async function copy(source: AsyncIterable<Uint8Array>, file: FileHandle, expected: Expectation): Promise<BlobInfo> {
  const algorithm = expected.digest === undefined ? "sha256" : parseDigest(expected.digest).algorithm;
  const hash = new Bun.CryptoHasher(algorithm);
  const limit = expected.sizeBytes ?? expected.maxBytes ?? Number.POSITIVE_INFINITY;
  let sizeBytes = 0;
  for await (const chunk of source) {
    expected.signal?.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > limit)
      throw new EngineError("invalid", `the content is longer than ${limit} bytes`, { sizeBytes, limit });
    hash.update(chunk);
    await writeChunks(file, [chunk]);
  }
  if (expected.sizeBytes !== undefined && sizeBytes !== expected.sizeBytes)
    throw new EngineError("invalid", `the content is ${sizeBytes} bytes long, not ${expected.sizeBytes}`);
  const digest = `${algorithm}:${hash.digest("hex")}`;
  if (expected.digest !== undefined && digest !== expected.digest)
    throw new EngineError("invalid", `the content's digest is ${digest}, not ${expected.digest}`, { digest });
  return { digest, sizeBytes };
}

const missing = (digest: string): EngineError =>
  new EngineError("not-found", `content ${digest} is not here`, { digest });
