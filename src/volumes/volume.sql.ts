import type { Database } from "bun:sqlite";
import { migrate } from "../store/migrate.ts";
import type { Migration } from "../store/migration.ts";
import type { Volume } from "./volume.ts";

export const volumeMigrations: readonly Migration[] = [
  {
    id: "volumes/1-tables",
    up(db) {
      db.run(`CREATE TABLE volumes (
        name TEXT PRIMARY KEY, driver TEXT NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
        created_at_ns INTEGER NOT NULL, anonymous INTEGER NOT NULL,
        filling INTEGER NOT NULL DEFAULT 0, -- a first-use copy has begun and not ended
        removing INTEGER NOT NULL DEFAULT 0
      ) STRICT`);
      db.run(
        "CREATE TABLE volume_holds (name TEXT NOT NULL, container TEXT NOT NULL, PRIMARY KEY (name, container)) STRICT, WITHOUT ROWID",
      );
      db.run(
        "CREATE TABLE volume_mounts (name TEXT NOT NULL, container TEXT NOT NULL, PRIMARY KEY (name, container)) STRICT, WITHOUT ROWID",
      );
    },
  },
];

/** A row: the volume without what follows from its place. */
export type VolumeRow = Omit<Volume, "mountpoint"> & { readonly filling: boolean; readonly removing: boolean };
export interface Pair {
  readonly name: string;
  readonly container: string;
}

/** The tables of volumes. Synchronous: one commit is a quarter of a millisecond. */
export class VolumeTable {
  readonly #db: Database;

  constructor(db: Database) {
    migrate(db, volumeMigrations);
    this.#db = db;
  }

  all(): VolumeRow[] {
    type Raw = {
      name: string;
      driver: string;
      labels: string;
      options: string;
      created: string;
      anonymous: number;
      filling: number;
      removing: number;
    };
    const rows = this.#db
      .query<Raw, []>(
        "SELECT name, driver, labels, options, CAST(created_at_ns AS TEXT) AS created, anonymous, filling, removing FROM volumes",
      )
      .all();
    return rows.map((row) => ({
      name: row.name,
      driver: row.driver,
      labels: JSON.parse(row.labels) as Record<string, string>,
      options: JSON.parse(row.options) as Record<string, string>,
      createdAtNs: BigInt(row.created),
      anonymous: row.anonymous === 1,
      filling: row.filling === 1,
      removing: row.removing === 1,
    }));
  }

  insert(volume: Volume): void {
    this.#db
      .query<unknown, [string, string, string, string, bigint, number]>(
        "INSERT INTO volumes (name, driver, labels, options, created_at_ns, anonymous) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .run(
        volume.name,
        volume.driver,
        JSON.stringify(volume.labels),
        JSON.stringify(volume.options),
        volume.createdAtNs,
        Number(volume.anonymous),
      );
  }

  delete(name: string): void {
    this.#db.transaction(() => {
      for (const table of ["volumes", "volume_holds", "volume_mounts"])
        this.#db.query<unknown, [string]>(`DELETE FROM ${table} WHERE name = ?`).run(name);
    })();
  }

  filling(name: string, filling: boolean): void {
    this.#db
      .query<unknown, [number, string]>("UPDATE volumes SET filling = ? WHERE name = ?")
      .run(Number(filling), name);
  }

  /** From here on the volume is gone, whatever happens. */
  removing(name: string): void {
    this.#db.query<unknown, [string]>("UPDATE volumes SET removing = 1 WHERE name = ?").run(name);
  }

  pairs(table: "volume_holds" | "volume_mounts"): Pair[] {
    return this.#db.query<Pair, []>(`SELECT name, container FROM ${table}`).all();
  }

  add(table: "volume_holds" | "volume_mounts", { name, container }: Pair): void {
    this.#db
      .query<unknown, [string, string]>(`INSERT OR IGNORE INTO ${table} (name, container) VALUES (?, ?)`)
      .run(name, container);
  }

  drop(table: "volume_holds" | "volume_mounts", { name, container }: Pair): void {
    this.#db
      .query<unknown, [string, string]>(`DELETE FROM ${table} WHERE name = ? AND container = ?`)
      .run(name, container);
  }
}
