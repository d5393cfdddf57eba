import { linkedSize, neededBy, touchLinked } from "../books/links.ts";
import { repositoryId } from "../books/repositories.ts";
import { checkDigest } from "../names.ts";
import { Refusal } from "../refusal.ts";
import { empty, matches } from "./answer.ts";
import { readRange } from "./byte-range.ts";
import type { Exchange } from "./exchange.ts";

interface BlobTarget {
  readonly repository: string;
  readonly digest: string;
}

/** GET and HEAD of a blob: whole, in part, or that the client has it. */
export async function getBlob(exchange: Exchange, { repository, digest }: BlobTarget): Promise<Response> {
  const { services, request, caller } = exchange;
  exchange.need(repository, "pull");
  checkDigest(digest);
  const isHead = request.method === "HEAD";
  // who asks whether it is there may count on it in a manifest
  const size = isHead
    ? (touchLinked(services.core.db, repository, digest, services.graceMs) ??
      services.cache?.knownSize(repository, digest))
    : linkedSize(services.core.db, repository, digest);
  if (size === undefined) return fetchedBlob(exchange, { repository, digest });
  const etag = `"${digest}"`;
  const headers = headersOf(digest);
  if (matches(request.headers.get("if-none-match"), etag)) return empty(304, headers);
  if (isHead) return empty(200, { ...headers, "Content-Length": String(size) });
  const part = readRange(request.headers, { size, etag });
  const body = await services.core.driver.read(digest, part);
  services.core.tell({ action: "pull", caller, repository, target: { digest, sizeBytes: size } });
  if (part === undefined) return new Response(body, { headers: { ...headers, "Content-Length": String(size) } });
  return new Response(body, {
    status: 206,
    headers: {
      ...headers,
      "Content-Range": `bytes ${part.start}-${part.end - 1}/${size}`,
      "Content-Length": String(part.end - part.start),
    },
  });
}

/** A blob that an upstream has: streamed while it comes, kept for the next. Parts are served when it is here. */
async function fetchedBlob(exchange: Exchange, target: BlobTarget): Promise<Response> {
  const { services, caller } = exchange;
  const { repository, digest } = target;
  const body = await services.cache?.blob(repository, digest);
  if (body === undefined) throw unknownBlob(digest);
  if (body === "linked") return getBlob(exchange, target);
  const sizeBytes = services.cache?.knownSize(repository, digest) ?? 0;
  services.core.tell({ action: "pull", caller, repository, target: { digest, sizeBytes } });
  return new Response(body, { headers: { ...headersOf(digest), "Content-Length": String(sizeBytes) } });
}

const headersOf = (digest: string): Record<string, string> => ({
  "Content-Type": "application/octet-stream",
  "Docker-Content-Digest": digest,
  ETag: `"${digest}"`,
  "Accept-Ranges": "bytes",
  "Cache-Control": "max-age=31536000", // what a digest names never changes
  "Content-Disposition": "attachment",
});

/** Takes a blob from a repository. Its bytes go when no repository has it, by the collection. */
export function deleteBlob(exchange: Exchange, { repository, digest }: BlobTarget): Response {
  const { db, tell } = exchange.services.core;
  exchange.need(repository, "delete");
  checkDigest(digest);
  db.transaction(() => {
    const id = repositoryId(db, repository);
    if (id === undefined) throw unknownBlob(digest);
    const manifest = neededBy(db, id, digest);
    if (manifest !== undefined)
      throw new Refusal("DENIED", `manifest ${manifest} needs the blob: delete that first`, {
        status: 405,
        detail: { digest, manifest },
      });
    if (db.query("DELETE FROM links WHERE repository = ? AND digest = ?").run(id, digest).changes === 0)
      throw unknownBlob(digest);
  }).immediate();
  const mediaType = "application/octet-stream";
  tell({ action: "delete", caller: exchange.caller, repository, target: { digest, mediaType } });
  return empty(202, { "Docker-Content-Digest": digest });
}

const unknownBlob = (digest: string): Refusal => new Refusal("BLOB_UNKNOWN", undefined, { detail: { digest } });
