import type { Database } from "bun:sqlite";

/** The last link that was looked at. */
export interface Cursor {
  readonly repository: number;
  readonly digest: string;
}

/**
 * Looks at the next links in order. One that no manifest of its repository needs and that nobody was told of since
 * `cutoffMs` is taken; a blob without links is condemned in the same transaction. Gives where to go on; undefined
 * after the last.
 */
export function condemnBatch(
  db: Database,
  options: { after: Cursor; cutoffMs: number; limit: number },
): Cursor | undefined {
  const { after, cutoffMs, limit } = options;
  return db
    .transaction(() => {
      const batch = db
        .query<{ repository: number; digest: string; doomed: number }, [number, number, string, number]>(
          `SELECT l.repository, l.digest,
             l.touched_at < ? AND NOT EXISTS (
               SELECT 1 FROM children c WHERE c.repository = l.repository AND c.digest = l.digest) AS doomed
           FROM links l WHERE (l.repository, l.digest) > (?, ?) ORDER BY l.repository, l.digest LIMIT ?`,
        )
        .all(cutoffMs, after.repository, after.digest, limit);
      for (const { repository, digest, doomed } of batch) {
        if (doomed === 0) continue;
        db.query("DELETE FROM links WHERE repository = ? AND digest = ?").run(repository, digest);
        db.query(
          "UPDATE blobs SET condemned = 1 WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM links l WHERE l.digest = blobs.digest)",
        ).run(digest);
      }
      const last = batch.at(-1);
      return batch.length < limit || last === undefined
        ? undefined
        : { repository: last.repository, digest: last.digest };
    })
    .immediate();
}

/** Condemns blobs that every repository was asked to forget: nobody can have been told of them since. */
export function condemnUnlinked(db: Database): void {
  db.run(
    "UPDATE blobs SET condemned = 1 WHERE condemned = 0 AND NOT EXISTS (SELECT 1 FROM links l WHERE l.digest = blobs.digest)",
  );
}

/** What a collection would free; manifests in `temp.doomed` are taken as gone. */
export function countDoomed(db: Database, cutoffMs: number): { blobs: number; bytes: number } {
  const row = db
    .query<{ blobs: number; bytes: number | null }, [number]>(
      `SELECT count(*) AS blobs, sum(b.size) AS bytes FROM blobs b WHERE NOT EXISTS (
         SELECT 1 FROM links l WHERE l.digest = b.digest AND (l.touched_at >= ? OR EXISTS (
           SELECT 1 FROM children c WHERE c.repository = l.repository AND c.digest = l.digest AND NOT EXISTS (
             SELECT 1 FROM temp.doomed d WHERE d.repository = c.repository AND d.digest = c.manifest))))`,
    )
    .get(cutoffMs);
  return { blobs: row?.blobs ?? 0, bytes: row?.bytes ?? 0 };
}
