import type { Database } from "bun:sqlite";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { Document } from "../../spec/oci/manifest.ts";

/** A manifest or index as it was pushed. */
export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

const columns = "m.digest, m.media_type AS mediaType, m.bytes";

export function manifestByDigest(db: Database, repository: string, digest: string): StoredManifest | undefined {
  return (
    db
      .query<StoredManifest, [string, string]>(
        `SELECT ${columns} FROM repositories r JOIN manifests m ON m.repository = r.id WHERE r.name = ? AND m.digest = ?`,
      )
      .get(repository, digest) ?? undefined
  );
}

export function manifestByTag(db: Database, repository: string, tag: string): StoredManifest | undefined {
  return (
    db
      .query<StoredManifest, [string, string]>(
        `SELECT ${columns} FROM repositories r JOIN tags t ON t.repository = r.id
         JOIN manifests m ON m.repository = t.repository AND m.digest = t.digest WHERE r.name = ? AND t.name = ?`,
      )
      .get(repository, tag) ?? undefined
  );
}

/** Who asks whether a manifest is there may count on it in an index: it is kept for the grace time. */
export function touchManifest(db: Database, repository: string, manifest: { digest: string; graceMs: number }): void {
  const now = Date.now();
  db.query(
    `UPDATE manifests SET touched_at = ?1 WHERE digest = ?2 AND touched_at < ?3
     AND repository = (SELECT id FROM repositories WHERE name = ?4)`,
  ).run(now, manifest.digest, now - manifest.graceMs / 4, repository);
}

/** Everything a document needs besides its subject, which may come later or never. */
export function childrenOf(document: Document): OciDescriptor[] {
  return document.kind === "index" ? document.value.manifests : [document.value.config, ...document.value.layers];
}

/** Writes a manifest's row, and those of what it needs. To be called in a transaction; again changes its times only. */
export function insertManifest(
  db: Database,
  repository: number,
  manifest: { digest: string; document: Document; bytes: Uint8Array; by: string },
): void {
  const { digest, document, bytes, by } = manifest;
  const now = Date.now();
  const { subject, annotations } = document.value;
  db.query(
    `INSERT INTO manifests (repository, digest, media_type, artifact_type, subject, annotations, bytes, pushed_at, pushed_by, touched_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository, digest) DO UPDATE SET touched_at = excluded.touched_at`,
  ).run(
    repository,
    digest,
    document.mediaType,
    artifactTypeOf(document) ?? null,
    subject?.digest ?? null,
    isTexts(annotations) ? JSON.stringify(annotations) : null,
    bytes,
    now,
    by,
    now,
  );
  const insert = db.query(
    "INSERT OR IGNORE INTO children (repository, manifest, digest, size, media_type) VALUES (?, ?, ?, ?, ?)",
  );
  for (const child of childrenOf(document)) insert.run(repository, digest, child.digest, child.size, child.mediaType);
}

/** OCI distribution-spec 1.1, "Listing Referrers": an image without an artifact type is named by its config. */
function artifactTypeOf({ kind, value }: Document): string | undefined {
  const { artifactType } = value as { artifactType?: unknown }; // nobody has checked what it is
  if (typeof artifactType === "string" && artifactType !== "") return artifactType;
  return kind === "manifest" ? value.config.mediaType : undefined;
}

const isTexts = (value: unknown): boolean =>
  value !== null &&
  typeof value === "object" &&
  !Array.isArray(value) &&
  Object.values(value).every((text) => typeof text === "string");

/** Points a tag to a manifest of its repository; gives what it pointed to. To be called in a transaction. */
export function moveTag(db: Database, repository: number, tag: { name: string; digest: string }): void {
  db.query(
    `INSERT INTO tags (repository, name, digest, pushed_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, pushed_at = excluded.pushed_at`,
  ).run(repository, tag.name, tag.digest, Date.now());
}

/** Removes a manifest and its tags. To be called in a transaction. */
export function deleteManifest(db: Database, repository: number, digest: string): void {
  db.query("DELETE FROM tags WHERE repository = ? AND digest = ?").run(repository, digest);
  db.query("DELETE FROM manifests WHERE repository = ? AND digest = ?").run(repository, digest);
}

/** Tags of a repository by name, after `last`. */
export function tagsAfter(
  db: Database,
  repository: number,
  page: { last: string; limit: number },
): { name: string; digest: string }[] {
  return db
    .query<{ name: string; digest: string }, [number, string, number]>(
      "SELECT name, digest FROM tags WHERE repository = ? AND name > ? ORDER BY name LIMIT ?",
    )
    .all(repository, page.last, page.limit);
}

export function tagDigest(db: Database, repository: number, name: string): string | undefined {
  return db
    .query<{ digest: string }, [number, string]>("SELECT digest FROM tags WHERE repository = ? AND name = ?")
    .get(repository, name)?.digest;
}
