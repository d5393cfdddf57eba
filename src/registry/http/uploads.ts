import { knownBlob, link, linkedSize, repositoriesWith } from "../books/links.ts";
import { ensureRepository } from "../books/repositories.ts";
import { algorithmOf, checkDigest, checkRepository, type DigestAlgorithm } from "../names.ts";
import { Refusal } from "../refusal.ts";
import { uploadRange } from "../uploads/uploads.ts";
import { empty } from "./answer.ts";
import { readContentRange } from "./byte-range.ts";
import type { Exchange } from "./exchange.ts";

interface UploadTarget {
  readonly repository: string;
  readonly id: string;
}

/** POST: mounts a blob of another repository, takes one in a single request, or begins an upload. */
export async function startUpload(exchange: Exchange, { repository }: { repository: string }): Promise<Response> {
  const { query, services, caller } = exchange;
  exchange.need(repository, "push");
  const mount = query.get("mount");
  if (mount !== null && mountBlob(exchange, { repository, digest: checkDigest(mount) }))
    return empty(201, { Location: `/v2/${repository}/blobs/${mount}`, "Docker-Content-Digest": mount });
  const digest = query.get("digest");
  if (digest !== null) checkDigest(digest);
  const algorithm = digest === null ? readAlgorithm(query) : algorithmOf(digest);
  services.admit(repository, undefined, 0);
  const id = await services.uploads.begin(repository, { algorithm, by: caller.name });
  if (digest === null) return accepted({ repository, id }, 0);
  try {
    return await complete(exchange, { repository, id }, digest);
  } catch (error) {
    await services.uploads.cancel(repository, id).catch(() => {
      // a wrong digest ended it already
    });
    throw error;
  }
}

/** PATCH: the next chunk, or all of it as a stream. */
export async function appendUpload(exchange: Exchange, target: UploadTarget): Promise<Response> {
  exchange.need(target.repository, "push");
  const range = readContentRange(exchange.request.headers);
  const bytes = await exchange.services.uploads.append(target.repository, target.id, {
    stream: bodyOf(exchange.request),
    ...(range !== undefined && { range }),
  });
  return accepted(target, bytes);
}

/** PUT: the last chunk, if any, and the digest of the whole. */
export async function finishUpload(exchange: Exchange, target: UploadTarget): Promise<Response> {
  exchange.need(target.repository, "push");
  return complete(exchange, target, checkDigest(exchange.query.get("digest") ?? ""));
}

/** GET and HEAD: how far it is. */
export async function uploadStatus(exchange: Exchange, target: UploadTarget): Promise<Response> {
  exchange.need(target.repository, "push");
  return empty(204, progress(target, await exchange.services.uploads.status(target.repository, target.id)));
}

export async function cancelUpload(exchange: Exchange, target: UploadTarget): Promise<Response> {
  exchange.need(target.repository, "push");
  await exchange.services.uploads.cancel(target.repository, target.id);
  return empty(204, { "Docker-Upload-UUID": target.id });
}

async function complete(exchange: Exchange, target: UploadTarget, digest: string): Promise<Response> {
  const { services, request, caller } = exchange;
  const { repository, id } = target;
  const range = readContentRange(request.headers);
  if (request.body !== null)
    await services.uploads.append(repository, id, { stream: bodyOf(request), ...(range !== undefined && { range }) });
  exchange.patient(); // a large blob on its way to the disk or the object store
  const sizeBytes = await services.uploads.finish(repository, id, digest);
  const uploaded = { digest, sizeBytes, mediaType: "application/octet-stream" };
  services.core.tell({ action: "push", caller, repository, target: uploaded });
  return empty(201, { Location: `/v2/${repository}/blobs/${digest}`, "Docker-Content-Digest": digest });
}

/** Links a blob that the caller may pull elsewhere; false where there is none, and it must be uploaded. */
function mountBlob(exchange: Exchange, blob: { repository: string; digest: string }): boolean {
  const { caller, query, services } = exchange;
  const { db } = services.core;
  const from = query.get("from");
  const mounted = db
    .transaction(() => {
      const sources = from === null ? repositoriesWith(db, blob.digest) : [checkRepository(from)];
      const source = sources.find(
        (name) => caller.may("pull", name) && linkedSize(db, name, blob.digest) !== undefined,
      );
      const known = knownBlob(db, blob.digest);
      if (source === undefined || known === undefined || known.condemned) return undefined;
      services.admit(blob.repository, blob.digest, known.size);
      link(db, ensureRepository(db, blob.repository), blob.digest);
      return { source, sizeBytes: known.size };
    })
    .immediate();
  if (mounted === undefined) return false;
  services.core.tell({
    action: "mount",
    caller,
    repository: blob.repository,
    fromRepository: mounted.source,
    target: { digest: blob.digest, sizeBytes: mounted.sizeBytes, mediaType: "application/octet-stream" },
  });
  return true;
}

function readAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const name = query.get("digest-algorithm") ?? "sha256";
  if (name !== "sha256" && name !== "sha512")
    throw new Refusal("UNSUPPORTED", "digests are sha256 or sha512", { status: 400 });
  return name;
}

const accepted = (target: UploadTarget, bytes: number): Response => empty(202, progress(target, bytes));

const progress = ({ repository, id }: UploadTarget, bytes: number): Record<string, string> => ({
  Location: `/v2/${repository}/blobs/uploads/${id}`,
  Range: uploadRange(bytes),
  "Docker-Upload-UUID": id,
});

async function* bodyOf(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  // a body that ends before the length that was told rejects: the connection broke
  for await (const chunk of request.body) yield chunk;
}
