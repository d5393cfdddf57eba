import { mediaTypes, type OciDescriptor } from "../spec/oci/descriptor.ts";
import { maxManifestBytes, type OciIndex, readDocument } from "../spec/oci/manifest.ts";
import { EngineError } from "../base/errors.ts";
import { readLimited, discard } from "./http/answer-body.ts";
import type { Endpoint } from "./endpoints.ts";
import { answerFailure, facts } from "./http/failure.ts";
import { getManifest, pullScope, putManifest } from "./manifests.ts";
import type { Cancel } from "./registries.ts";

/**
 * What points to a manifest as its subject: signatures, bills of materials. By the registry's list, else by the tag
 * that stands in for it (OCI distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema"). None is no error.
 */
export async function listReferrers(endpoint: Endpoint, digest: string, options: Cancel): Promise<OciDescriptor[]> {
  const { server, path } = endpoint;
  const { response } = await server.ask({
    method: "GET",
    at: `${path}/referrers/${digest}`,
    headers: { Accept: mediaTypes.ociIndex },
    scopes: [pullScope(path)],
    signal: options.signal,
  });
  if (response.status === 200) {
    const bytes = await readLimited(response, { maxBytes: maxManifestBytes, stallMs: server.stallMs });
    return indexOf(bytes).manifests;
  }
  // a registry without the list says 404 for the path, old ones 400 or 405
  if (![400, 404, 405].includes(response.status)) throw await answerFailure(response);
  await discard(response);
  return (await readTag(endpoint, digest, options))?.manifests ?? [];
}

/** A manifest's subject, and how the list shows the manifest; undefined for one that has none. */
export function asReferrer(
  document: { mediaType: string; bytes: Uint8Array },
  descriptor: OciDescriptor,
): { subject: string; descriptor: OciDescriptor } | undefined {
  if (!Buffer.from(document.bytes).includes('"subject"')) return undefined; // nearly all
  const read = readDocument(document.bytes, document.mediaType);
  const { subject, artifactType, annotations } = read.value;
  if (subject === undefined) return undefined;
  const type = artifactType ?? (read.kind === "manifest" ? read.value.config.mediaType : undefined);
  return {
    subject: subject.digest,
    descriptor: {
      ...descriptor,
      ...(type !== undefined && { artifactType: type }),
      ...(annotations && { annotations }),
    },
  };
}

/**
 * Enters a manifest that names a subject into the tag that stands in for a list the registry does not keep. Two who do
 * it at once may lose an entry: the specification has no way around it.
 */
export async function addReferrer(
  endpoint: Endpoint,
  referrer: OciDescriptor,
  { subject, ...options }: Cancel & { subject: string },
): Promise<void> {
  const known = (await readTag(endpoint, subject, options)) ?? { schemaVersion: 2, manifests: [] };
  if (known.manifests.some(({ digest }) => digest === referrer.digest)) return;
  const index = {
    ...known,
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [...known.manifests, referrer],
  };
  const bytes = Buffer.from(JSON.stringify(index));
  await putManifest(endpoint, tagOf(subject), { mediaType: mediaTypes.ociIndex, bytes }, options);
}

const tagOf = (digest: string): string => digest.replace(":", "-").slice(0, 128);

async function readTag(endpoint: Endpoint, digest: string, options: Cancel): Promise<OciIndex | undefined> {
  try {
    return indexOf((await getManifest(endpoint, tagOf(digest), options)).bytes);
  } catch (error) {
    if (facts(error).status === 404) return undefined;
    throw error;
  }
}

function indexOf(bytes: Uint8Array): OciIndex {
  const document = readDocument(bytes, "");
  if (document.kind !== "index") throw new EngineError("invalid", "the registry's list of referrers is no index");
  return document.value;
}
