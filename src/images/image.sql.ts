import type { Database } from "bun:sqlite";
import type { Migration } from "../store/migration.ts";

/** Tables of images. The configuration's bytes are kept as they came: the image's id is their digest. */
export const imageMigrations: readonly Migration[] = [
  {
    id: "images/1-tables",
    up: (db) => {
      db.run(
        "CREATE TABLE images (id TEXT PRIMARY KEY, config BLOB NOT NULL, size_bytes INTEGER NOT NULL, parent TEXT NOT NULL, tagged_at_ns TEXT NOT NULL) STRICT",
      );
      db.run(
        "CREATE TABLE image_references (reference TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images (id), is_digest INTEGER NOT NULL) STRICT",
      );
    },
  },
];

export interface ImageRow {
  readonly id: string;
  readonly config: Uint8Array;
  readonly size_bytes: number;
  /** Id of the image it was committed from; empty when that is unknown. */
  readonly parent: string;
  readonly tagged_at_ns: string;
}
export interface ReferenceRow {
  readonly reference: string;
  readonly image_id: string;
  readonly is_digest: number;
}

/** Statements over the tables of images. */
export class ImageTable {
  readonly db: Database;
  readonly #insert;
  readonly #touch;
  readonly #delete;
  readonly #point;
  readonly #drop;

  constructor(db: Database) {
    this.db = db;
    this.#insert = db.prepare<null, [string, Uint8Array, number, string, string]>(
      "INSERT OR IGNORE INTO images (id, config, size_bytes, parent, tagged_at_ns) VALUES (?, ?, ?, ?, ?)",
    );
    this.#touch = db.prepare<null, [string, string]>("UPDATE images SET tagged_at_ns = ? WHERE id = ?");
    this.#delete = db.prepare<null, [string]>("DELETE FROM images WHERE id = ?");
    this.#point = db.prepare<null, [string, string, number]>(
      "INSERT INTO image_references (reference, image_id, is_digest) VALUES (?, ?, ?) ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id",
    );
    this.#drop = db.prepare<null, [string]>("DELETE FROM image_references WHERE reference = ?");
  }

  rows(): { images: ImageRow[]; references: ReferenceRow[] } {
    return {
      images: this.db.query<ImageRow, []>("SELECT * FROM images").all(),
      references: this.db.query<ReferenceRow, []>("SELECT * FROM image_references").all(),
    };
  }

  insert(row: ImageRow): void {
    this.#insert.run(row.id, row.config, row.size_bytes, row.parent, row.tagged_at_ns);
  }

  point(reference: string, imageId: string, options: { digest: boolean; taggedAtNs: bigint }): void {
    this.#point.run(reference, imageId, options.digest ? 1 : 0);
    this.#touch.run(options.taggedAtNs.toString(), imageId);
  }

  drop(reference: string): void {
    this.#drop.run(reference);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }
}
