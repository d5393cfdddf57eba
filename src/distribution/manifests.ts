import { EngineError } from "../base/errors.ts";
import { mediaTypes, type OciDescriptor } from "../spec/oci/descriptor.ts";
import { maxManifestBytes } from "../spec/oci/manifest.ts";
import { discard, readLimited } from "./http/answer-body.ts";
import { digestOf, isDigest } from "./transfer/digest.ts";
import type { Endpoint } from "./endpoints.ts";
import { answerFailure, plain } from "./http/failure.ts";
import type { Cancel } from "./registries.ts";

/** A manifest or index as it came, verified and not yet read. */
export interface RawManifest {
  readonly descriptor: OciDescriptor;
  readonly bytes: Uint8Array;
}

const accept = [mediaTypes.ociIndex, mediaTypes.ociManifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(
  ", ",
);

export const pullScope = (path: string): string => `repository:${path}:pull`;
export const pushScope = (path: string): string => `repository:${path}:pull,push`;
const tagPattern = /^\w[\w.-]{0,127}$/;
function address(path: string, reference: string): string {
  if (!isDigest(reference) && !tagPattern.test(reference))
    throw new EngineError("invalid", `invalid tag or digest ${JSON.stringify(reference.slice(0, 200))}`);
  return `${path}/manifests/${reference}`;
}

/** What a HEAD tells; undefined when it does not tell everything, or refuses: a GET says more. */
export async function headManifest(
  { server, path }: Endpoint,
  reference: string,
  { signal }: Cancel,
): Promise<OciDescriptor | undefined> {
  const { response } = await server.ask({
    method: "HEAD",
    at: address(path, reference),
    headers: { Accept: accept },
    scopes: [pullScope(path)],
    signal,
  });
  await discard(response);
  // a 429 says in its body what the limit is
  if (response.status >= 500) throw await answerFailure(response);
  if (response.status !== 200) return undefined;
  const digest = response.headers.get("docker-content-digest") ?? "";
  const size = Number(response.headers.get("content-length") ?? Number.NaN);
  const mediaType = contentType(response);
  if (!isDigest(digest) || !(size > 0 && size <= maxManifestBytes) || mediaType === "") return undefined;
  if (isDigest(reference) && digest !== reference) throw wrongDigest(reference, digest);
  return { mediaType, digest, size };
}

/** Throws `invalid` where the bytes are not what was asked for. */
export async function getManifest(
  { server, path }: Endpoint,
  reference: string,
  { signal }: Cancel,
): Promise<RawManifest> {
  const { response } = await server.expect(
    { method: "GET", at: address(path, reference), headers: { Accept: accept }, scopes: [pullScope(path)], signal },
    200,
  );
  const declared = Number(response.headers.get("content-length") ?? 0);
  if (declared > maxManifestBytes)
    throw new EngineError("invalid", `the manifest is longer than ${maxManifestBytes} bytes`);
  const bytes = await readLimited(response, { maxBytes: maxManifestBytes, stallMs: server.stallMs });
  const told = response.headers.get("docker-content-digest") ?? "";
  const wanted = isDigest(reference) ? reference : isDigest(told) ? told : undefined;
  const digest = digestOf(bytes, wanted);
  if (wanted !== undefined && digest !== wanted) throw wrongDigest(wanted, digest);
  return { descriptor: { mediaType: contentType(response), digest, size: bytes.length }, bytes };
}

/**
 * Writes under a tag or a digest. Gives what the registry stored, which must be what was sent, and the subject that it
 * has entered the manifest for.
 */
export async function putManifest(
  { server, path }: Endpoint,
  reference: string,
  document: { mediaType: string; bytes: Uint8Array },
  { signal }: Cancel,
): Promise<{ descriptor: OciDescriptor; subject: string | undefined }> {
  const { response } = await server.expect(
    {
      method: "PUT",
      at: address(path, reference),
      headers: { "Content-Type": document.mediaType },
      body: () => document.bytes,
      scopes: [pushScope(path)],
      signal,
    },
    200,
    201,
    202,
  );
  await discard(response);
  const told = response.headers.get("docker-content-digest") ?? "";
  const digest = digestOf(document.bytes, isDigest(told) ? told : isDigest(reference) ? reference : undefined);
  if (isDigest(told) && told !== digest) throw wrongDigest(digest, told);
  return {
    descriptor: { mediaType: document.mediaType, digest, size: document.bytes.length },
    subject: response.headers.get("oci-subject") ?? undefined,
  };
}

/** Without parameters; empty for types that say nothing about a manifest. */
function contentType(response: Response): string {
  const type = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return ["application/json", "application/octet-stream", "text/plain"].includes(type) ? "" : plain(type);
}

const wrongDigest = (wanted: string, got: string): EngineError =>
  new EngineError("invalid", `manifest verification failed for digest ${wanted}: the registry gave ${got}`, {
    digest: wanted,
  });
