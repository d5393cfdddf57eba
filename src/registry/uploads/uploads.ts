import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Core } from "../core.ts";
import { algorithmOf, type DigestAlgorithm } from "../names.ts";
import { Refusal } from "../refusal.ts";
import { adopt } from "./adopt.ts";
import { Incoming } from "./incoming.ts";
import { Staging } from "./staging.ts";

/** A request that brought nothing for so long gives way to another one for the same upload: its client is gone. */
const standardStallMs = 10_000;
/** Open files of uploads that nobody writes to are closed; the digest is computed again when one goes on. */
const maxOpen = 256;

export interface UploadLimits {
  /** Throws where a repository may not grow to this. Asked while bytes come, and at the end. */
  readonly admit: (repository: string, digest: string | undefined, bytes: number) => void;
  readonly stallMs?: number;
}

interface UploadRow {
  readonly algorithm: DigestAlgorithm;
}

/** Uploads in progress. Their bytes are files of the staging folder, their rows outlive a restart. */
export class Uploads implements AsyncDisposable {
  readonly #core: Core;
  readonly #folder: string;
  readonly #limits: UploadLimits;
  readonly #locks = new KeyedLock();
  readonly #open = new Map<string, Staging>();
  readonly #incoming = new Map<string, Incoming>();

  private constructor(core: Core, folder: string, limits: UploadLimits) {
    this.#core = core;
    this.#folder = folder;
    this.#limits = limits;
  }

  static async at(core: Core, folder: string, limits: UploadLimits): Promise<Uploads> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Uploads(core, folder, limits);
  }

  /** Begins an upload; gives its id. */
  async begin(repository: string, options: { algorithm: DigestAlgorithm; by: string }): Promise<string> {
    const id = randomUUID();
    this.#core.db
      .query("INSERT INTO uploads (id, repository, algorithm, started_by, started_at) VALUES (?, ?, ?, ?, ?)")
      .run(id, repository, options.algorithm, options.by, Date.now());
    await this.#keepOpen(id, await Staging.open(this.#path(id), { algorithm: options.algorithm, create: true }));
    return id;
  }

  /** Bytes so far. Throws BLOB_UPLOAD_UNKNOWN. */
  async status(repository: string, id: string): Promise<number> {
    using _ = await this.#take(id);
    return (await this.#staging(repository, id)).bytes;
  }

  /**
   * Appends a body; gives the bytes so far. `range` is what the client says it sends: it must begin where the upload
   * ends, and hold as many bytes as come.
   */
  async append(
    repository: string,
    id: string,
    body: { stream: AsyncIterable<Uint8Array>; range?: { start: number; end: number } },
  ): Promise<number> {
    using _ = await this.#take(id);
    const staging = await this.#staging(repository, id);
    const { range, stream } = body;
    const startBytes = staging.bytes;
    if (range !== undefined && range.start !== startBytes) throw outOfOrder(repository, id, startBytes);
    const incoming = new Incoming(stream);
    this.#incoming.set(id, incoming);
    try {
      await staging.append(incoming, (bytes) => {
        if (range !== undefined && bytes > range.end + 1)
          throw new Refusal("SIZE_INVALID", `more bytes came than the range ${range.start}-${range.end} has`);
        this.#limits.admit(repository, undefined, bytes);
      });
    } finally {
      this.#incoming.delete(id);
    }
    if (range !== undefined && staging.bytes !== range.end + 1)
      throw new Refusal("SIZE_INVALID", `fewer bytes came than the range ${range.start}-${range.end} has`);
    return staging.bytes;
  }

  /** Verifies an upload and makes it a blob of its repository; gives its bytes. A wrong digest ends the upload. */
  async finish(repository: string, id: string, digest: string): Promise<number> {
    using _ = await this.#take(id);
    const staging = await this.#staging(repository, id);
    const sizeBytes = staging.bytes;
    const real = await staging.digest(algorithmOf(digest));
    try {
      if (real !== digest)
        throw new Refusal("DIGEST_INVALID", undefined, { detail: { expected: digest, digest: real } });
      await adopt(
        this.#core,
        { path: this.#path(id), digest, sizeBytes, sync: () => staging.sync() },
        {
          repository,
          admit: () => this.#limits.admit(repository, digest, sizeBytes),
          settled: () => void this.#core.db.query("DELETE FROM uploads WHERE id = ?").run(id),
        },
      );
    } catch (error) {
      if (error instanceof Refusal) await this.#forget(id);
      throw error;
    }
    this.#open.delete(id);
    await staging[Symbol.asyncDispose]();
    return sizeBytes;
  }

  /** Ends an upload without a blob. Throws BLOB_UPLOAD_UNKNOWN. */
  async cancel(repository: string, id: string): Promise<void> {
    using _ = await this.#take(id);
    this.#row(repository, id);
    await this.#forget(id);
  }

  /** Removes uploads that nobody wrote to for long, and files that no upload knows; gives how many. */
  async sweep(idleMs: number): Promise<number> {
    const before = Date.now() - idleMs;
    let removed = 0;
    for (const id of await readdir(this.#folder)) {
      if (this.#locks.busy(id)) continue;
      const found = await stat(this.#path(id)).catch(() => undefined); // it ended meanwhile
      if (found === undefined || found.mtimeMs > before) continue;
      using _ = await this.#take(id);
      await this.#forget(id);
      removed += 1;
    }
    // a row whose file a crash took away
    const rows = this.#core.db
      .query<{ id: string }, [number]>("SELECT id FROM uploads WHERE started_at < ?")
      .all(before);
    for (const { id } of rows)
      if (!(await Bun.file(this.#path(id)).exists())) this.#core.db.query("DELETE FROM uploads WHERE id = ?").run(id);
    return removed;
  }

  get count(): number {
    return this.#core.db.query<{ n: number }, []>("SELECT count(*) AS n FROM uploads").get()?.n ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const staging of this.#open.values()) await staging[Symbol.asyncDispose]();
    this.#open.clear();
  }

  async #forget(id: string): Promise<void> {
    const staging = this.#open.get(id);
    this.#open.delete(id);
    await staging?.[Symbol.asyncDispose]();
    await rm(this.#path(id), { force: true });
    this.#core.db.query("DELETE FROM uploads WHERE id = ?").run(id);
  }

  async #staging(repository: string, id: string): Promise<Staging> {
    const { algorithm } = this.#row(repository, id);
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    try {
      const opened = await Staging.open(this.#path(id), { algorithm, create: false });
      await this.#keepOpen(id, opened);
      return opened;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await this.#forget(id); // its row outlived its file
      throw new Refusal("BLOB_UPLOAD_UNKNOWN");
    }
  }

  async #keepOpen(id: string, staging: Staging): Promise<void> {
    this.#open.set(id, staging);
    if (this.#open.size <= maxOpen) return;
    for (const [other, idle] of this.#open) {
      if (other === id || this.#locks.busy(other)) continue;
      this.#open.delete(other);
      await idle[Symbol.asyncDispose]();
      return;
    }
  }

  #row(repository: string, id: string): UploadRow {
    const row = this.#core.db
      .query<UploadRow, [string, string]>("SELECT algorithm FROM uploads WHERE id = ? AND repository = ?")
      .get(id, repository);
    if (row === null) throw new Refusal("BLOB_UPLOAD_UNKNOWN");
    return row;
  }

  /** A client that was cut comes back at once: the request that was cut may still be ending, or not know it is. */
  async #take(id: string): Promise<Disposable> {
    const stallMs = this.#limits.stallMs ?? standardStallMs;
    const waiting = { timeoutMs: stallMs * 1.2, what: `upload ${id}` };
    try {
      return await this.#locks.acquire(id, waiting);
    } catch (error) {
      const incoming = this.#incoming.get(id);
      if (incoming === undefined || incoming.idleMs < stallMs) throw error;
      incoming.giveWay();
      return this.#locks.acquire(id, waiting);
    }
  }

  #path(id: string): string {
    return join(this.#folder, id);
  }
}

/** OCI distribution-spec 1.1, "Pushing a blob in chunks": 416, and where to go on. */
function outOfOrder(repository: string, id: string, bytes: number): Refusal {
  return new Refusal("RANGE_INVALID", `the upload has ${bytes} bytes: the next chunk begins there`, {
    headers: { Location: `/v2/${repository}/blobs/uploads/${id}`, Range: uploadRange(bytes) },
  });
}

/** The range of an upload, as both ends count: `0-0` stands for nothing and for one byte, as Docker's registry has it. */
export const uploadRange = (bytes: number): string => `0-${Math.max(0, bytes - 1)}`;
