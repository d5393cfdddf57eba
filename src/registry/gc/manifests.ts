import type { Database } from "bun:sqlite";
import type { Core } from "../core.ts";

/**
 * Removes manifests that nothing needs, a repository at a time, each in one transaction: neither a tag nor a client of
 * the grace time leads to them, over indexes and over subjects. A dry run notes them in `temp.doomed` instead.
 */
export async function sweepManifests(
  { db }: Core,
  options: { dryRun: boolean; untagged: boolean; cutoffMs: number; signal?: AbortSignal },
): Promise<number> {
  if (options.dryRun) {
    db.run("DROP TABLE IF EXISTS temp.doomed");
    db.run(
      "CREATE TEMP TABLE doomed (repository INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, digest))",
    );
  }
  if (!options.untagged) return 0;
  let removed = 0;
  for (const { id } of db.query<{ id: number }, []>("SELECT id FROM repositories").all()) {
    options.signal?.throwIfAborted();
    removed += db.transaction(() => sweepRepository(db, id, options)).immediate();
    await Bun.sleep(0); // requests that wait come first
  }
  return removed;
}

function sweepRepository(db: Database, repository: number, options: { dryRun: boolean; cutoffMs: number }): number {
  const doomed = db
    .query<{ digest: string }, [number, number]>(
      `WITH RECURSIVE live(digest) AS (
         SELECT digest FROM tags WHERE repository = ?1
         UNION SELECT digest FROM manifests WHERE repository = ?1 AND touched_at >= ?2
         UNION SELECT c.digest FROM live l JOIN children c ON c.repository = ?1 AND c.manifest = l.digest
         UNION SELECT m.digest FROM live l JOIN manifests m ON m.repository = ?1 AND m.subject = l.digest)
       SELECT digest FROM manifests WHERE repository = ?1 AND digest NOT IN (SELECT digest FROM live)`,
    )
    .all(repository, options.cutoffMs);
  const act = options.dryRun
    ? db.query("INSERT INTO temp.doomed (repository, digest) VALUES (?, ?)")
    : db.query("DELETE FROM manifests WHERE repository = ? AND digest = ?");
  for (const { digest } of doomed) act.run(repository, digest);
  return doomed.length;
}
