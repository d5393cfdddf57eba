import type { Task } from "./task.ts";

const pageRows = 500;

/** Repositories with their sizes, by name after `last`. A blob counts in each repository that has it. */
export function listRepositories({ exchange }: Task): object[] {
  return exchange.services.core.db
    .query<{ name: string; tags: number; manifests: number; bytes: number }, [string, number]>(
      `SELECT r.name,
         (SELECT count(*) FROM tags t WHERE t.repository = r.id) AS tags,
         (SELECT count(*) FROM manifests m WHERE m.repository = r.id) AS manifests,
         coalesce((SELECT sum(b.size) FROM links l JOIN blobs b ON b.digest = l.digest WHERE l.repository = r.id), 0) AS bytes
       FROM repositories r WHERE r.name > ? ORDER BY r.name LIMIT ?`,
    )
    .all(exchange.query.get("last") ?? "", pageRows);
}
