import type { Database } from "bun:sqlite";

/**
 * How long a client may go on believing that a repository has a blob it was told of, before a manifest names it. A
 * link is kept for this long after it was last touched; telling touches when a quarter has gone by, so that three
 * quarters are always left.
 */
export const defaultGraceMs = 60 * 60 * 1000;

/** Bytes of a blob that a repository has; undefined where it does not. */
export function linkedSize(db: Database, repository: string, digest: string): number | undefined {
  return linkedBlob(db, repository, digest)?.size;
}

/** As linkedSize(), for a client that may act on it: the link is kept for the grace time from now on. */
export function touchLinked(db: Database, repository: string, digest: string, graceMs: number): number | undefined {
  const found = linkedBlob(db, repository, digest);
  if (found === undefined) return undefined;
  const now = Date.now();
  if (found.touchedAt < now - graceMs / 4)
    db.query("UPDATE links SET touched_at = ? WHERE repository = ? AND digest = ?").run(now, found.repository, digest);
  return found.size;
}

function linkedBlob(
  db: Database,
  repository: string,
  digest: string,
): { size: number; touchedAt: number; repository: number } | undefined {
  return (
    db
      .query<{ size: number; touchedAt: number; repository: number }, [string, string]>(
        `SELECT b.size, l.touched_at AS touchedAt, l.repository FROM repositories r
         JOIN links l ON l.repository = r.id JOIN blobs b ON b.digest = l.digest
         WHERE r.name = ? AND l.digest = ?`,
      )
      .get(repository, digest) ?? undefined
  );
}

/** Gives a repository a blob that the books know. To be called in a transaction that saw it not condemned. */
export function link(db: Database, repository: number, digest: string): void {
  db.query(
    `INSERT INTO links (repository, digest, touched_at) VALUES (?, ?, ?)
     ON CONFLICT (repository, digest) DO UPDATE SET touched_at = excluded.touched_at`,
  ).run(repository, digest, Date.now());
}

/** A blob of any repository; condemned ones are gone for everybody but the collection. */
export function knownBlob(db: Database, digest: string): { size: number; condemned: boolean } | undefined {
  const row = db
    .query<{ size: number; condemned: number }, [string]>("SELECT size, condemned FROM blobs WHERE digest = ?")
    .get(digest);
  return row === null ? undefined : { size: row.size, condemned: row.condemned !== 0 };
}

/** Other repositories that have a blob, a few. */
export function repositoriesWith(db: Database, digest: string): string[] {
  return db
    .query<{ name: string }, [string]>(
      "SELECT r.name FROM links l JOIN repositories r ON r.id = l.repository WHERE l.digest = ? LIMIT 100",
    )
    .all(digest)
    .map(({ name }) => name);
}

/** A manifest of the repository that needs this digest; undefined when none does. */
export function neededBy(db: Database, repository: number, digest: string): string | undefined {
  return db
    .query<{ manifest: string }, [number, string]>(
      "SELECT manifest FROM children WHERE repository = ? AND digest = ? LIMIT 1",
    )
    .get(repository, digest)?.manifest;
}
