import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { type Document, readDocument } from "../../spec/oci/manifest.ts";
import { parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";
import { ExitError } from "../exit-error.ts";
import { registryAuthHeaders } from "../image/registry-auth.ts";
import type { StoredManifest } from "./store.ts";

/** A reference in full, with its tag: `docker.io/library/busybox:latest`. */
export function fullReference(text: string): string {
  return fullName(withDefaultTag(parseReference(text)));
}

const fullName = ({ domain, path, tag, digest }: Reference): string =>
  `${domain}/${path}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;

/** `docker.io/library/busybox` */
export function repositoryOf(reference: string): string {
  const { domain, path } = parseReference(reference);
  return `${domain}/${path}`;
}

export interface FetchedManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly document: Document;
}

/** A manifest or index of a registry. Throws docker's `no such manifest`. */
export async function fetchManifest(
  engine: EngineClient,
  reference: string,
  configDir: string,
): Promise<FetchedManifest> {
  try {
    const { headers, body } = await engine.stream(
      "ManifestGet",
      { name: reference },
      { headers: await registryAuthHeaders(repositoryOf(reference), configDir) },
    );
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk as Uint8Array); // the daemon has checked its length
    const bytes = Buffer.concat(chunks);
    const digest =
      headers["docker-content-digest"] ?? `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    return { digest, bytes, document: readDocument(bytes, headers["content-type"] ?? "") };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) throw new ExitError(1, `no such manifest: ${reference}`);
    throw error;
  }
}

/** An image's manifest in the form in which lists keep it, with its platform. Throws for a list. */
export async function fetchMember(
  engine: EngineClient,
  reference: string,
  configDir: string,
  fetched?: FetchedManifest,
): Promise<StoredManifest> {
  const { digest, bytes, document } = fetched ?? (await fetchManifest(engine, reference, configDir));
  if (document.kind === "index") throw new ExitError(1, `${reference} is a manifest list`);
  const { Platforms: platforms } = await engine.call(
    "DistributionInspect",
    { name: `${repositoryOf(reference)}@${digest}` },
    undefined,
    { headers: await registryAuthHeaders(repositoryOf(reference), configDir) },
  );
  const { os = "", architecture = "", variant } = platforms[0] ?? {};
  return {
    Ref: reference,
    Descriptor: {
      mediaType: document.mediaType,
      digest,
      size: bytes.length,
      platform: { architecture: architecture ?? "", os: os ?? "", ...(variant ? { variant } : {}) },
    },
    Raw: bytes.toString("base64"),
    [document.mediaType.includes(".oci.") ? "OCIManifest" : "SchemaV2Manifest"]: document.value,
  };
}
