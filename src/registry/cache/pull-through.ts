import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorKind, errorMessage } from "../../base/errors.ts";
import { readDocument } from "../../spec/oci/manifest.ts";
import { knownBlob, link, linkedSize, repositoriesWith } from "../books/links.ts";
import { ensureRepository, repositoryId } from "../books/repositories.ts";
import type { Core } from "../core.ts";
import {
  insertManifest,
  manifestByDigest,
  manifestByTag,
  moveTag,
  type StoredManifest,
} from "../manifests/manifests.ts";
import { algorithmOf, isDigest } from "../names.ts";
import { Refusal } from "../refusal.ts";
import { adopt } from "../uploads/adopt.ts";
import { Staging } from "../uploads/staging.ts";
import { BlobFetch } from "./blob-fetch.ts";
import type { Remotes, Upstream } from "./remotes.ts";

const askMs = 20_000; // of a client's patience, before what is here is served instead
const maxFresh = 50_000;

/**
 * Repositories that are those of another registry: what is asked for is fetched once, verified and kept. While the
 * upstream is down what is here is served on.
 */
export class PullThrough implements AsyncDisposable {
  readonly #core: Core;
  readonly #remotes: Remotes;
  readonly #folder: string;
  readonly #stop = new AbortController();
  /** When a tag was last compared with the upstream. */
  readonly #fresh = new Map<string, number>();
  readonly #manifests = new Map<string, Promise<StoredManifest | undefined>>();
  readonly #blobs = new Map<string, { fetch: BlobFetch; done: Promise<void> }>();

  constructor(core: Core, remotes: Remotes, folder: string) {
    this.#core = core;
    this.#remotes = remotes;
    this.#folder = folder;
  }

  covers(repository: string): boolean {
    return this.#remotes.covers(repository);
  }

  /** The upstream's manifest, or what is here of it. Throws UNAVAILABLE where neither answers. */
  manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const key = `${repository}@${reference}`;
    const running = this.#manifests.get(key);
    if (running !== undefined) return running;
    const finding = this.#manifest(repository, reference).finally(() => this.#manifests.delete(key));
    this.#manifests.set(key, finding);
    return finding;
  }

  /** The first tags of the upstream; undefined where it does not answer, or does not have the repository. */
  async tags(repository: string, limit: number): Promise<string[] | undefined> {
    const upstream = this.#remotes.upstream(repository);
    if (upstream === undefined) return undefined;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(askMs)]);
    const tags: string[] = [];
    try {
      for await (const tag of upstream.repository.tags({ signal })) {
        tags.push(tag);
        if (tags.length >= limit) break;
      }
      return tags;
    } catch (error) {
      this.#core.log.warn("an upstream did not list its tags", { upstream: upstream.name, error: errorMessage(error) });
      return undefined;
    }
  }

  /** Bytes of a blob that a manifest of the repository names; undefined where none does. */
  knownSize(repository: string, digest: string): number | undefined {
    return this.#core.db
      .query<{ size: number }, [string, string]>(
        `SELECT c.size FROM repositories r JOIN children c ON c.repository = r.id WHERE r.name = ? AND c.digest = ? LIMIT 1`,
      )
      .get(repository, digest)?.size;
  }

  /** A blob that is not linked yet, while it comes; undefined for one that no manifest here names. */
  async blob(repository: string, digest: string): Promise<ReadableStream<Uint8Array> | "linked" | undefined> {
    const upstream = this.#remotes.upstream(repository);
    const sizeBytes = this.knownSize(repository, digest);
    if (upstream === undefined || sizeBytes === undefined) return undefined;
    if (this.#linkKnown(repository, { digest, sizeBytes })) return "linked";
    const key = `${repository}@${digest}`;
    let running = this.#blobs.get(key);
    if (running === undefined) {
      const path = join(this.#folder, `cache-${randomUUID()}`);
      // made before anybody follows it
      const staging = await Staging.open(path, { algorithm: algorithmOf(digest), create: true });
      running = this.#blobs.get(key); // somebody was quicker
      if (running === undefined) {
        const fetch = new BlobFetch(path, sizeBytes);
        const done = this.#fetch({ upstream, repository, digest, path, staging, fetch }).finally(() =>
          this.#blobs.delete(key),
        );
        running = { fetch, done };
        this.#blobs.set(key, running);
      } else {
        await staging[Symbol.asyncDispose]();
        await rm(path, { force: true });
      }
    }
    try {
      return await running.fetch.follow();
    } catch (error) {
      // it came to its end while its file was opened
      if (
        (error as NodeJS.ErrnoException).code === "ENOENT" &&
        linkedSize(this.#core.db, repository, digest) !== undefined
      )
        return "linked";
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#blobs.values()].map(({ done }) => done));
  }

  async #manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const { db, log } = this.#core;
    const byDigest = isDigest(reference);
    const here = byDigest ? manifestByDigest(db, repository, reference) : manifestByTag(db, repository, reference);
    const upstream = this.#remotes.upstream(repository);
    if (upstream === undefined || (byDigest && here !== undefined)) return here;
    const key = `${repository}:${reference}`;
    if (here !== undefined && (this.#fresh.get(key) ?? 0) > Date.now() - upstream.freshMs) return here;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(askMs)]);
    try {
      const found = await this.#ask(upstream, { repository, reference, here, signal });
      this.#noteFresh(key);
      return found;
    } catch (error) {
      const kind = errorKind(error);
      if (kind === "not-found") return undefined; // the upstream took it away
      log.warn("an upstream did not give a manifest", {
        upstream: upstream.name,
        reference,
        error: errorMessage(error),
      });
      if (here !== undefined) return here;
      if (kind === "unauthorized" || kind === "forbidden") return undefined;
      throw new Refusal("UNAVAILABLE", `the upstream ${upstream.name} does not answer`, { cause: error });
    }
  }

  async #ask(
    { repository: theirs }: Upstream,
    wanted: { repository: string; reference: string; here: StoredManifest | undefined; signal: AbortSignal },
  ): Promise<StoredManifest> {
    const { repository, reference, here, signal } = wanted;
    if (here !== undefined && (await theirs.resolve(reference, { signal })).digest === here.digest) return here;
    const { descriptor, bytes } = await theirs.manifest(reference, { signal });
    const document = readDocument(bytes, descriptor.mediaType);
    const { db } = this.#core;
    db.transaction(() => {
      const id = ensureRepository(db, repository);
      insertManifest(db, id, { digest: descriptor.digest, document, bytes, by: "" });
      if (!isDigest(reference)) moveTag(db, id, { name: reference, digest: descriptor.digest });
    }).immediate();
    return { digest: descriptor.digest, mediaType: document.mediaType, bytes };
  }

  /**
   * Another repository of an upstream has the blob, verified: a manifest of this one names it, so it may have it too.
   * Not those of our own: an upstream could name what it has never seen, and give it to who may not pull it.
   */
  #linkKnown(repository: string, blob: { digest: string; sizeBytes: number }): boolean {
    const { db } = this.#core;
    return db
      .transaction(() => {
        const known = knownBlob(db, blob.digest);
        const id = repositoryId(db, repository);
        if (known === undefined || known.condemned || known.size !== blob.sizeBytes || id === undefined) return false;
        if (!repositoriesWith(db, blob.digest).some((name) => this.#remotes.covers(name))) return false;
        link(db, id, blob.digest);
        return true;
      })
      .immediate();
  }

  /** Never rejects: who follows is told. */
  async #fetch(job: {
    upstream: Upstream;
    repository: string;
    digest: string;
    path: string;
    staging: Staging;
    fetch: BlobFetch;
  }): Promise<void> {
    const { upstream, repository, digest, path, staging, fetch } = job;
    const { sizeBytes } = fetch;
    try {
      const mediaType = "application/octet-stream";
      let skip = 0;
      let taken = 0;
      const body = upstream.repository.blob(
        { digest, size: sizeBytes, mediaType },
        {
          signal: this.#stop.signal,
          restarted() {
            skip = taken; // what followers have stays: the bytes are the same, or the digest will not be
          },
        },
      );
      const fresh = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          const rest = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          taken += rest.length;
          if (rest.length > 0) yield rest;
        }
      };
      await staging.append(fresh(), (bytes) => {
        if (bytes > sizeBytes) throw new Error(`the upstream sent more than ${sizeBytes} bytes`);
        fetch.advanced(staging.bytes);
      });
      if ((await staging.digest(algorithmOf(digest))) !== digest)
        throw new Error(`the upstream sent another blob than ${digest}`);
      await adopt(
        this.#core,
        { path, digest, sizeBytes, sync: () => staging.sync() },
        { repository, admit() {}, settled() {} },
      );
      fetch.verified();
    } catch (error) {
      this.#core.log.warn("an upstream did not give a blob", {
        upstream: upstream.name,
        digest,
        error: errorMessage(error),
      });
      fetch.failed(error);
      await rm(path, { force: true });
    } finally {
      await staging[Symbol.asyncDispose]();
    }
  }

  #noteFresh(key: string): void {
    if (this.#fresh.size >= maxFresh) this.#fresh.clear();
    this.#fresh.set(key, Date.now());
  }
}
