import type { Database } from "bun:sqlite";
import { checkRepository } from "../names.ts";
import { Refusal } from "../refusal.ts";

/** How old a sum may be while bytes come; at the end it is taken anew. */
const freshMs = 2000;

export interface Quota {
  /** `team` is the repository of this name and all below it. */
  readonly prefix: string;
  readonly bytes: number;
  readonly usedBytes: number;
}

/** Upper bounds for the bytes of repositories. A blob that several of them have counts once. */
export class Quotas {
  readonly #db: Database;
  readonly #sums = new Map<string, { bytes: number; atMs: number }>();
  #limits: Map<string, number> | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  list(): Quota[] {
    return [...this.#all()].map(([prefix, bytes]) => ({ prefix, bytes, usedBytes: usedBytes(this.#db, prefix) }));
  }

  set(prefix: string, bytes: number): void {
    checkRepository(prefix);
    this.#db
      .query(
        "INSERT INTO quotas (prefix, bytes) VALUES (?, ?) ON CONFLICT (prefix) DO UPDATE SET bytes = excluded.bytes",
      )
      .run(prefix, bytes);
    this.#limits = undefined;
  }

  /** False where there was none. */
  remove(prefix: string): boolean {
    this.#limits = undefined;
    return this.#db.query("DELETE FROM quotas WHERE prefix = ?").run(prefix).changes > 0;
  }

  /** Throws DENIED where a repository may not have these bytes more. Without a digest they are still coming. */
  admit(repository: string, digest: string | undefined, bytes: number): void {
    const limits = this.#all();
    if (limits.size === 0) return;
    for (const [prefix, limit] of limits) {
      if (repository !== prefix && !repository.startsWith(`${prefix}/`)) continue;
      if (digest !== undefined && isWithin(this.#db, prefix, digest)) continue;
      if (this.#sum(prefix, digest === undefined) + bytes <= limit) continue;
      throw new Refusal("DENIED", `the quota of ${prefix} is ${limit} bytes, which this would exceed`, {
        detail: { prefix, bytes: limit },
      });
    }
  }

  #sum(prefix: string, mayBeOld: boolean): number {
    const known = this.#sums.get(prefix);
    if (mayBeOld && known !== undefined && known.atMs > Date.now() - freshMs) return known.bytes;
    const bytes = usedBytes(this.#db, prefix);
    this.#sums.set(prefix, { bytes, atMs: Date.now() });
    return bytes;
  }

  #all(): Map<string, number> {
    this.#limits ??= new Map(
      this.#db
        .query<{ prefix: string; bytes: number }, []>("SELECT prefix, bytes FROM quotas ORDER BY prefix")
        .all()
        .map(({ prefix, bytes }) => [prefix, bytes]),
    );
    return this.#limits;
  }
}

// `0` is what comes after `/`: names between the two are those below the prefix
const below = "(r.name = ?1 OR (r.name >= ?1 || '/' AND r.name < ?1 || '0'))";

function usedBytes(db: Database, prefix: string): number {
  return (
    db
      .query<{ bytes: number | null }, [string]>(
        `SELECT sum(size) AS bytes FROM blobs WHERE digest IN (
           SELECT l.digest FROM repositories r JOIN links l ON l.repository = r.id WHERE ${below})`,
      )
      .get(prefix)?.bytes ?? 0
  );
}

function isWithin(db: Database, prefix: string, digest: string): boolean {
  return (
    db
      .query(
        `SELECT 1 FROM links l JOIN repositories r ON r.id = l.repository WHERE l.digest = ?2 AND ${below} LIMIT 1`,
      )
      .get(prefix, digest) !== null
  );
}
