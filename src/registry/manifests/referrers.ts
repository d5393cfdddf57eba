import type { Database } from "bun:sqlite";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { OciIndex } from "../../spec/oci/manifest.ts";
import { manifestByDigest, manifestByTag, type StoredManifest } from "./manifests.ts";

/** OCI distribution-spec 1.1, "Referrers Tag Schema": where clients of older registries keep the list themselves. */
const fallbackTag = (digest: string): string => digest.replace(":", "-").slice(0, 128);
const fallbackPattern = /^(sha256)-([0-9a-f]{64})$|^(sha512)-([0-9a-f]{121})$/;

/**
 * Who refers to a manifest, by digest after `last`: those whose subject it is, and those that a client listed under
 * the fall-back tag before the registry knew the API.
 */
export function referrersOf(
  db: Database,
  repository: string,
  options: { subject: string; artifactType: string | undefined; last: string; limit: number },
): OciDescriptor[] {
  const { subject, artifactType, last, limit } = options;
  const rows = db
    .query<ReferrerRow, [string, string, string, string | null, string | null, number]>(
      `SELECT m.digest, m.media_type AS mediaType, m.artifact_type AS artifactType, m.annotations, length(m.bytes) AS size
       FROM repositories r JOIN manifests m ON m.repository = r.id
       WHERE r.name = ? AND m.subject = ? AND m.digest > ? AND (? IS NULL OR m.artifact_type = ?)
       ORDER BY m.digest LIMIT ?`,
    )
    .all(repository, subject, last, artifactType ?? null, artifactType ?? null, limit);
  const found = rows.map(describe);
  const known = new Set(found.map(({ digest }) => digest));
  const listed = listedUnderTag(db, repository, subject).filter(
    (entry) =>
      entry.digest > last &&
      !known.has(entry.digest) &&
      (artifactType === undefined || entry.artifactType === artifactType),
  );
  return [...found, ...listed].sort((a, b) => (a.digest < b.digest ? -1 : 1)).slice(0, limit);
}

/** The list of referrers for clients that know the tag alone; undefined for other tags, and where nobody refers. */
export function fallbackIndex(db: Database, repository: string, tag: string): StoredManifest | undefined {
  const match = fallbackPattern.exec(tag);
  if (match?.[1] === undefined) return undefined; // the tag of a sha512 digest is cut: what it stands for is not told
  const manifests = referrersOf(db, repository, {
    subject: `sha256:${match[2]}`,
    artifactType: undefined,
    last: "",
    limit: 1000,
  });
  if (manifests.length === 0) return undefined;
  const bytes = Buffer.from(JSON.stringify(referrersIndex(manifests)));
  return {
    digest: `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`,
    mediaType: mediaTypes.ociIndex,
    bytes,
  };
}

export const referrersIndex = (manifests: OciDescriptor[]): OciIndex => ({
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests,
});

interface ReferrerRow {
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  readonly annotations: string | null;
  readonly size: number;
}

const describe = ({ digest, mediaType, artifactType, annotations, size }: ReferrerRow): OciDescriptor => ({
  mediaType,
  digest,
  size,
  ...(artifactType !== null && { artifactType }),
  ...(annotations !== null && { annotations: JSON.parse(annotations) as Record<string, string> }),
});

function listedUnderTag(db: Database, repository: string, subject: string): OciDescriptor[] {
  const index = manifestByTag(db, repository, fallbackTag(subject));
  if (index === undefined || index.mediaType !== mediaTypes.ociIndex) return [];
  const { manifests } = JSON.parse(new TextDecoder().decode(index.bytes)) as OciIndex;
  return manifests.filter(({ digest }) => manifestByDigest(db, repository, digest) !== undefined);
}
