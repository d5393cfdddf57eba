import type { Database } from "bun:sqlite";
import type { Migration } from "../../store/migration.ts";

/** Tables of builds: what steps made, under which keys it is found; folders of cache mounts; builds that ended. */
export const buildMigrations: readonly Migration[] = [
  {
    id: "build/1-tables",
    up: (db) => {
      db.run(
        "CREATE TABLE build_results (id TEXT PRIMARY KEY, layers TEXT NOT NULL, inputs TEXT NOT NULL, content TEXT NOT NULL, trail TEXT NOT NULL, description TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_at_ns TEXT NOT NULL, last_used_at_ns TEXT NOT NULL, use_count INTEGER NOT NULL) STRICT",
      );
      db.run(
        "CREATE TABLE build_keys (key TEXT PRIMARY KEY, result_id TEXT NOT NULL REFERENCES build_results (id) ON DELETE CASCADE) STRICT",
      );
      db.run("CREATE INDEX build_keys_by_result ON build_keys (result_id)");
      db.run(
        "CREATE TABLE build_mounts (id TEXT PRIMARY KEY, folder TEXT NOT NULL, description TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_at_ns TEXT NOT NULL, last_used_at_ns TEXT NOT NULL, use_count INTEGER NOT NULL) STRICT",
      );
      db.run("CREATE TABLE build_records (id TEXT PRIMARY KEY, started_ns TEXT NOT NULL, record TEXT NOT NULL) STRICT");
    },
  },
];

export interface ResultRow {
  readonly id: string;
  readonly layers: string;
  readonly inputs: string;
  readonly content: string;
  readonly trail: string;
  readonly description: string;
  readonly size_bytes: number;
  readonly created_at_ns: string;
  readonly last_used_at_ns: string;
  readonly use_count: number;
}

export interface MountRow {
  readonly id: string;
  readonly folder: string;
  readonly description: string;
  readonly size_bytes: number;
  readonly created_at_ns: string;
  readonly last_used_at_ns: string;
  readonly use_count: number;
}

/** Statements over the tables of builds. */
export class BuildTables {
  readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  results(): ResultRow[] {
    return this.db.query<ResultRow, []>("SELECT * FROM build_results").all();
  }

  keys(): { key: string; result_id: string }[] {
    return this.db.query<{ key: string; result_id: string }, []>("SELECT * FROM build_keys").all();
  }

  insert(row: ResultRow, keys: readonly string[]): void {
    this.db
      .transaction(() => {
        this.db
          .query<null, [string, string, string, string, string, string, number, string, string, number]>(
            "INSERT OR REPLACE INTO build_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          )
          .run(
            row.id,
            row.layers,
            row.inputs,
            row.content,
            row.trail,
            row.description,
            row.size_bytes,
            row.created_at_ns,
            row.last_used_at_ns,
            row.use_count,
          );
        for (const key of keys) this.#point(key, row.id);
      })
      .immediate();
  }

  point(keys: readonly string[], resultId: string): void {
    this.db
      .transaction(() => {
        for (const key of keys) this.#point(key, resultId);
      })
      .immediate();
  }

  /** Notes uses in one commit. */
  touch(rows: readonly { id: string; lastUsedAtNs: bigint; useCount: number }[]): void {
    const update = this.db.query<null, [string, number, string]>(
      "UPDATE build_results SET last_used_at_ns = ?, use_count = ? WHERE id = ?",
    );
    this.db
      .transaction(() => {
        for (const { id, lastUsedAtNs, useCount } of rows) update.run(lastUsedAtNs.toString(), useCount, id);
      })
      .immediate();
  }

  delete(id: string): void {
    this.db
      .transaction(() => {
        this.db.query<null, [string]>("DELETE FROM build_keys WHERE result_id = ?").run(id);
        this.db.query<null, [string]>("DELETE FROM build_results WHERE id = ?").run(id);
      })
      .immediate();
  }

  mounts(): MountRow[] {
    return this.db.query<MountRow, []>("SELECT * FROM build_mounts").all();
  }

  putMount(row: MountRow): void {
    this.db
      .query<null, [string, string, string, number, string, string, number]>(
        "INSERT OR REPLACE INTO build_mounts VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(row.id, row.folder, row.description, row.size_bytes, row.created_at_ns, row.last_used_at_ns, row.use_count);
  }

  deleteMount(id: string): void {
    this.db.query<null, [string]>("DELETE FROM build_mounts WHERE id = ?").run(id);
  }

  records(): { id: string; record: string }[] {
    return this.db
      .query<{ id: string; record: string }, []>("SELECT id, record FROM build_records ORDER BY started_ns DESC")
      .all();
  }

  putRecord(id: string, startedNs: bigint, record: string): void {
    this.db
      .query<null, [string, string, string]>("INSERT OR REPLACE INTO build_records VALUES (?, ?, ?)")
      .run(id, startedNs.toString().padStart(20, "0"), record);
  }

  deleteRecord(id: string): void {
    this.db.query<null, [string]>("DELETE FROM build_records WHERE id = ?").run(id);
  }

  #point(key: string, resultId: string): void {
    this.db.query<null, [string, string]>("INSERT OR REPLACE INTO build_keys VALUES (?, ?)").run(key, resultId);
  }
}
