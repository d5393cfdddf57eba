import { fault } from "../../base/fault.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { type Document, readDocument } from "../../spec/oci/manifest.ts";
import { ensureRepository } from "../books/repositories.ts";
import type { Core } from "../core.ts";
import { algorithmOf } from "../names.ts";
import { Refusal } from "../refusal.ts";
import { childrenOf, insertManifest, moveTag, tagDigest } from "./manifests.ts";

export interface ManifestRules {
  /** Which children of an index must be there: all, or none (a registry that holds one platform of many). */
  readonly missingChildren: "refuse" | "accept";
  /** Throws where a tag may not be moved. */
  readonly checkTag: (repository: string, tag: string, digests: { old: string; new: string }) => void;
  /** Throws where the repository may not grow by this manifest's bytes. */
  readonly admit: (repository: string, digest: string | undefined, bytes: number) => void;
}

/**
 * Takes a manifest or index whose bytes a client sent, under a digest or under tags. All that it needs must be in the
 * repository; the look and the writing are one transaction, so that no collection comes between. Throws
 * MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN, DENIED.
 */
export function putManifest(
  core: Core,
  manifest: {
    repository: string;
    digest?: string;
    tags: readonly string[];
    bytes: Uint8Array;
    mediaType: string;
    by: string;
  },
  rules: ManifestRules,
): { digest: string; document: Document } {
  const document = read(manifest.bytes, manifest.mediaType);
  const digest = checkedDigest(manifest.bytes, manifest.digest);
  core.db
    .transaction(() => {
      const repository = ensureRepository(core.db, manifest.repository);
      checkChildren(core, repository, document, rules);
      rules.admit(manifest.repository, undefined, manifest.bytes.length);
      for (const name of manifest.tags) {
        const old = tagDigest(core.db, repository, name);
        if (old !== undefined && old !== digest) rules.checkTag(manifest.repository, name, { old, new: digest });
      }
      insertManifest(core.db, repository, { digest, document, bytes: manifest.bytes, by: manifest.by });
      for (const name of manifest.tags) moveTag(core.db, repository, { name, digest });
      fault("registry.manifest");
    })
    .immediate();
  return { digest, document };
}

function read(bytes: Uint8Array, mediaType: string): Document {
  try {
    return readDocument(bytes, mediaType);
  } catch (error) {
    throw new Refusal("MANIFEST_INVALID", error instanceof Error ? error.message : undefined, { cause: error });
  }
}

function checkedDigest(bytes: Uint8Array, wanted: string | undefined): string {
  const algorithm = wanted === undefined ? "sha256" : algorithmOf(wanted);
  const digest = `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
  if (wanted !== undefined && wanted !== digest)
    throw new Refusal("DIGEST_INVALID", undefined, { detail: { expected: wanted, digest } });
  return digest;
}

function checkChildren(core: Core, repository: number, document: Document, rules: ManifestRules): void {
  const linked = core.db.query<{ size: number }, [number, string]>(
    "SELECT b.size FROM links l JOIN blobs b ON b.digest = l.digest WHERE l.repository = ? AND l.digest = ?",
  );
  const stored = core.db.query<{ size: number }, [number, string]>(
    "SELECT length(bytes) AS size FROM manifests WHERE repository = ? AND digest = ?",
  );
  const isIndex = document.kind === "index";
  if (isIndex && rules.missingChildren === "accept") return;
  for (const child of childrenOf(document)) {
    if (isForeign(child)) continue;
    // entries of an index may be blobs too: caches of builds are stored so
    const known = (isIndex ? stored.get(repository, child.digest) : null) ?? linked.get(repository, child.digest);
    if (known === null) throw new Refusal("MANIFEST_BLOB_UNKNOWN", undefined, { detail: { digest: child.digest } });
    if (known.size !== child.size)
      throw new Refusal("MANIFEST_INVALID", `${child.digest} has ${known.size} bytes, not ${child.size}`, {
        detail: { digest: child.digest },
      });
  }
}

/** Layers that are fetched from elsewhere need not be here. */
const isForeign = ({ mediaType, urls }: OciDescriptor): boolean =>
  Array.isArray(urls) && urls.length > 0 && /foreign|nondistributable/.test(mediaType);
