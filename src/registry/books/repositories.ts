import type { Database } from "bun:sqlite";

/** The row of a repository; undefined for one that nothing was ever put into. */
export function repositoryId(db: Database, name: string): number | undefined {
  return db.query<{ id: number }, [string]>("SELECT id FROM repositories WHERE name = ?").get(name)?.id;
}

/** As repositoryId(), made where it is missing. */
export function ensureRepository(db: Database, name: string): number {
  const known = repositoryId(db, name);
  if (known !== undefined) return known;
  db.query("INSERT INTO repositories (name, created_at) VALUES (?, ?)").run(name, Date.now());
  return repositoryId(db, name) ?? 0;
}

/** Repositories that hold a manifest, by name, after `last`. */
export function repositoriesAfter(db: Database, last: string, limit: number): string[] {
  return db
    .query<{ name: string }, [string, number]>(
      `SELECT name FROM repositories r WHERE name > ? AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository = r.id)
       ORDER BY name LIMIT ?`,
    )
    .all(last, limit)
    .map(({ name }) => name);
}
