import type { Database } from "bun:sqlite";
import { migrate } from "../store/migrate.ts";
import type { Migration } from "../store/migration.ts";
import type { Volume, VolumeSnapshot } from "./volume.ts";

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
  {
    id: "volumes/2-content",
    up(db) {
      // its content is being made: nobody sees the volume before
      db.run("ALTER TABLE volumes ADD COLUMN making INTEGER NOT NULL DEFAULT 0");
      // its folder may still have this name
      db.run("ALTER TABLE volumes ADD COLUMN renamed_from TEXT NOT NULL DEFAULT ''");
      db.run(`CREATE TABLE volume_snapshots (
        volume TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL, created_at_ns INTEGER NOT NULL,
        bytes INTEGER NOT NULL, making INTEGER NOT NULL, PRIMARY KEY (volume, name)
      ) STRICT, WITHOUT ROWID`);
    },
  },
];

/** A row: the volume without what follows from its place. */
export type VolumeRow = Omit<Volume, "mountpoint" | "scope"> & {
  readonly filling: boolean;
  readonly removing: boolean;
  readonly making: boolean;
  readonly renamedFrom: string;
};
export interface SnapshotRow extends VolumeSnapshot {
  readonly volume: string;
  readonly making: boolean;
}
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
      making: number;
      renamedFrom: string;
    };
    const rows = this.#db
      .query<Raw, []>(
        "SELECT name, driver, labels, options, CAST(created_at_ns AS TEXT) AS created, anonymous, filling, removing, making, renamed_from AS renamedFrom FROM volumes",
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
      making: row.making === 1,
      renamedFrom: row.renamedFrom,
    }));
  }

  insert(volume: Volume, making: boolean): void {
    this.#db
      .query<unknown, [string, string, string, string, bigint, number, number]>(
        "INSERT INTO volumes (name, driver, labels, options, created_at_ns, anonymous, making) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        volume.name,
        volume.driver,
        JSON.stringify(volume.labels),
        JSON.stringify(volume.options),
        volume.createdAtNs,
        Number(volume.anonymous),
        Number(making),
      );
  }

  /** The content is there: from here on the volume is one as others. */
  made(name: string): void {
    this.#db.query<unknown, [string]>("UPDATE volumes SET making = 0 WHERE name = ?").run(name);
  }

  update(name: string, { labels, options }: Pick<Volume, "labels" | "options">): void {
    this.#db
      .query<unknown, [string, string, string]>("UPDATE volumes SET labels = ?, options = ? WHERE name = ?")
      .run(JSON.stringify(labels), JSON.stringify(options), name);
  }

  /** Gives all rows the new name; `others` writes, in the same step, what else knows the old one. */
  rename({ name: to, labels }: Volume, from: string, others: () => void): void {
    this.#db.transaction(() => {
      this.#db
        .query<unknown, [string, string, string, string]>(
          "UPDATE volumes SET name = ?, renamed_from = ?, labels = ?, anonymous = 0 WHERE name = ?",
        )
        .run(to, from, JSON.stringify(labels), from);
      for (const table of ["volume_holds", "volume_mounts"])
        this.#db.query<unknown, [string, string]>(`UPDATE ${table} SET name = ? WHERE name = ?`).run(to, from);
      this.#db
        .query<unknown, [string, string]>("UPDATE volume_snapshots SET volume = ? WHERE volume = ?")
        .run(to, from);
      others();
    })();
  }

  /** The folder has the new name. */
  renamed(name: string): void {
    this.#db.query<unknown, [string]>("UPDATE volumes SET renamed_from = '' WHERE name = ?").run(name);
  }

  snapshots(): SnapshotRow[] {
    type Raw = { volume: string; name: string; labels: string; created: string; bytes: number; making: number };
    return this.#db
      .query<Raw, []>(
        "SELECT volume, name, labels, CAST(created_at_ns AS TEXT) AS created, bytes, making FROM volume_snapshots ORDER BY created_at_ns",
      )
      .all()
      .map((row) => ({
        volume: row.volume,
        name: row.name,
        labels: JSON.parse(row.labels) as Record<string, string>,
        createdAtNs: BigInt(row.created),
        sizeBytes: row.bytes,
        making: row.making === 1,
      }));
  }

  /** Writes a snapshot's row, or writes it again. */
  putSnapshot({ volume, name, labels, createdAtNs, sizeBytes, making }: SnapshotRow): void {
    this.#db
      .query<unknown, [string, string, string, bigint, number, number]>(
        "INSERT OR REPLACE INTO volume_snapshots (volume, name, labels, created_at_ns, bytes, making) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .run(volume, name, JSON.stringify(labels), createdAtNs, sizeBytes, Number(making));
  }

  dropSnapshot(volume: string, name: string): void {
    this.#db
      .query<unknown, [string, string]>("DELETE FROM volume_snapshots WHERE volume = ? AND name = ?")
      .run(volume, name);
  }

  delete(name: string): void {
    this.#db.transaction(() => {
      for (const table of ["volumes", "volume_holds", "volume_mounts"])
        this.#db.query<unknown, [string]>(`DELETE FROM ${table} WHERE name = ?`).run(name);
      this.#db.query<unknown, [string]>("DELETE FROM volume_snapshots WHERE volume = ?").run(name);
    })();
  }

  filling(name: string, filling: boolean): void {
    this.#db
      .query<unknown, [number, string]>("UPDATE volumes SET filling = ? WHERE name = ?")
      .run(Number(filling), name);
  }

  /** From here on the volume is gone, unless its driver refuses. */
  removing(name: string, removing: boolean): void {
    this.#db
      .query<unknown, [number, string]>("UPDATE volumes SET removing = ? WHERE name = ?")
      .run(Number(removing), name);
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
