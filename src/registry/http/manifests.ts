import { repositoryId } from "../books/repositories.ts";
import { maxManifestBytes } from "../../spec/oci/manifest.ts";
import type { PullThrough } from "../cache/pull-through.ts";
import { isDigest, isTag } from "../names.ts";
import {
  deleteManifest,
  manifestByDigest,
  manifestByTag,
  touchManifest,
  type StoredManifest,
} from "../manifests/manifests.ts";
import { choose } from "../manifests/negotiate.ts";
import { putManifest } from "../manifests/put.ts";
import { fallbackIndex } from "../manifests/referrers.ts";
import { neededBy } from "../books/links.ts";
import { Refusal } from "../refusal.ts";
import { empty, matches } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

interface ManifestTarget {
  readonly repository: string;
  readonly reference: string;
}

/** GET and HEAD of a manifest by tag or digest. */
export async function getManifest(exchange: Exchange, target: ManifestTarget): Promise<Response> {
  const { services, request, caller } = exchange;
  const { repository, reference } = target;
  exchange.need(repository, "pull");
  const cache = services.cache?.covers(repository) === true ? services.cache : undefined;
  const found = cache === undefined ? find(exchange, target) : await findUpstream(exchange, target, cache);
  if (found === undefined) throw unknown(target);
  const isHead = request.method === "HEAD";
  const etag = `"${found.digest}"`;
  const headers: Record<string, string> = {
    "Content-Type": found.mediaType,
    "Docker-Content-Digest": found.digest,
    "Docker-Distribution-Api-Version": "registry/2.0",
    ETag: etag,
  };
  if (matches(request.headers.get("if-none-match"), etag)) return empty(304, headers);
  if (isHead) {
    touchManifest(services.core.db, repository, { digest: found.digest, graceMs: services.graceMs });
    return empty(200, { ...headers, "Content-Length": String(found.bytes.length) });
  }
  if (!isDigest(reference)) services.lastPulls.note(repository, reference);
  services.core.tell({ action: "pull", caller, repository, target: described(found, reference) });
  return new Response(found.bytes as BodyInit, { headers });
}

function find({ services, request }: Exchange, { repository, reference }: ManifestTarget): StoredManifest | undefined {
  const { db } = services.core;
  if (isDigest(reference)) return manifestByDigest(db, repository, reference);
  if (!isTag(reference)) return undefined;
  const tagged = manifestByTag(db, repository, reference);
  if (tagged === undefined) return fallbackIndex(db, repository, reference);
  return choose(db, { repository, tagged, accept: request.headers.get("accept") });
}

async function findUpstream(
  { services, request }: Exchange,
  { repository, reference }: ManifestTarget,
  cache: PullThrough,
): Promise<StoredManifest | undefined> {
  if (!isDigest(reference) && !isTag(reference)) return undefined;
  const tagged = await cache.manifest(repository, reference);
  if (tagged === undefined || isDigest(reference)) return tagged;
  return choose(services.core.db, { repository, tagged, accept: request.headers.get("accept") });
}

/** PUT of a manifest: under a digest, a tag, or a digest with tags in the query. */
export async function pushManifest(exchange: Exchange, target: ManifestTarget): Promise<Response> {
  const { services, request, caller, query } = exchange;
  const { repository, reference } = target;
  exchange.need(repository, "push");
  const byDigest = isDigest(reference);
  if (!byDigest && reference.includes(":"))
    throw new Refusal("DIGEST_INVALID", "the reference is neither a tag nor a sha256 or sha512 digest");
  const tags = byDigest ? query.getAll("tag") : [reference];
  for (const tag of tags)
    if (!isTag(tag)) throw new Refusal("TAG_INVALID", `invalid tag ${JSON.stringify(tag.slice(0, 128))}`);
  const bytes = await readBody(request);
  const { digest, document } = putManifest(
    services.core,
    {
      repository,
      tags,
      bytes,
      mediaType: contentType(request),
      by: caller.name,
      ...(byDigest && { digest: reference }),
    },
    services.manifestRules,
  );
  const about = { digest, mediaType: document.mediaType, sizeBytes: bytes.length };
  if (tags.length === 0) services.core.tell({ action: "push", caller, repository, target: about });
  for (const tag of tags) services.core.tell({ action: "push", caller, repository, target: { ...about, tag } });
  const { subject } = document.value;
  return empty(201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...(subject !== undefined && { "OCI-Subject": subject.digest }),
    ...(byDigest && tags.length > 0 && { "OCI-Tag": tags.join(", ") }),
  });
}

/** DELETE: of a tag the tag alone, of a digest the manifest with all its tags. */
export function removeManifest(exchange: Exchange, target: ManifestTarget): Response {
  const { services, caller } = exchange;
  const { db, tell } = services.core;
  const { repository, reference } = target;
  exchange.need(repository, "delete");
  const byDigest = isDigest(reference);
  const { digest, mediaType } = db
    .transaction(() => {
      const id = repositoryId(db, repository);
      if (id === undefined) throw unknown(target);
      const digest = byDigest ? reference : tagged(exchange, id, reference);
      const manifest = digest === undefined ? undefined : manifestByDigest(db, repository, digest);
      if (digest === undefined || manifest === undefined) throw unknown(target);
      for (const name of byDigest ? tagsOf(exchange, id, digest) : [reference])
        services.manifestRules.checkTag(repository, name, { old: digest, new: "" });
      if (!byDigest) {
        db.query("DELETE FROM tags WHERE repository = ? AND name = ?").run(id, reference);
        return manifest;
      }
      const index = neededBy(db, id, digest);
      if (index !== undefined)
        throw new Refusal("DENIED", `index ${index} needs the manifest: delete that first`, {
          status: 405,
          detail: { digest, manifest: index },
        });
      deleteManifest(db, id, digest);
      return manifest;
    })
    .immediate();
  const about = byDigest ? { digest, mediaType } : { digest, mediaType, tag: reference };
  tell({ action: "delete", caller, repository, target: about });
  return empty(202, { "Docker-Content-Digest": digest });
}

const tagged = ({ services }: Exchange, repository: number, tag: string): string | undefined =>
  services.core.db
    .query<{ digest: string }, [number, string]>("SELECT digest FROM tags WHERE repository = ? AND name = ?")
    .get(repository, tag)?.digest;

const tagsOf = ({ services }: Exchange, repository: number, digest: string): string[] =>
  services.core.db
    .query<{ name: string }, [number, string]>("SELECT name FROM tags WHERE repository = ? AND digest = ?")
    .all(repository, digest)
    .map(({ name }) => name);

const described = ({ digest, mediaType, bytes }: StoredManifest, reference: string) => ({
  digest,
  mediaType,
  sizeBytes: bytes.length,
  ...(!isDigest(reference) && { tag: reference }),
});

const unknown = ({ reference }: ManifestTarget): Refusal =>
  new Refusal("MANIFEST_UNKNOWN", undefined, { detail: { reference: reference.slice(0, 200) } });

const contentType = (request: Request): string =>
  (request.headers.get("content-type") ?? "").split(";", 1)[0]?.trim() ?? "";

/** OCI distribution-spec 1.1, "Pushing Manifests": too long ones are answered with 413. */
async function readBody(request: Request): Promise<Uint8Array> {
  const tooLong = (): Refusal =>
    new Refusal("MANIFEST_INVALID", `a manifest has at most ${maxManifestBytes} bytes`, { status: 413 });
  if (Number(request.headers.get("content-length") ?? 0) > maxManifestBytes) throw tooLong();
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (request.body !== null)
    for await (const chunk of request.body) {
      length += chunk.length;
      if (length > maxManifestBytes) throw tooLong();
      chunks.push(chunk);
    }
  return Buffer.concat(chunks);
}
