import type { Database } from "bun:sqlite";
import type { Migration } from "../../store/migration.ts";

/** Tables of images. The bytes of configurations, manifests and indexes are kept as they came: digests are of them. */
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
  {
    id: "images/2-registries",
    up: (db) => {
      db.run("ALTER TABLE image_references ADD COLUMN target TEXT NOT NULL DEFAULT ''");
      db.run(
        "CREATE TABLE image_documents (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, bytes BLOB NOT NULL, image_id TEXT NOT NULL) STRICT",
      );
      db.run(
        "CREATE TABLE image_layers (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, diff_id TEXT NOT NULL) STRICT",
      );
      db.run(
        "CREATE TABLE image_layer_places (digest TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (digest, repository)) STRICT, WITHOUT ROWID",
      );
    },
  },
  {
    id: "images/3-used",
    up: (db) => db.run("ALTER TABLE images ADD COLUMN used_at_ns TEXT NOT NULL DEFAULT '0'"),
  },
];

export interface ImageRow {
  readonly id: string;
  readonly config: Uint8Array;
  readonly size_bytes: number;
  /** Id of the image it was committed from; empty when that is unknown. */
  readonly parent: string;
  readonly tagged_at_ns: string;
  /** When a container was last made from it or started; 0 for never, and where nobody asks. */
  readonly used_at_ns?: string;
}
export interface ReferenceRow {
  readonly reference: string;
  /** What the reference means when no platform is asked for. */
  readonly image_id: string;
  readonly is_digest: number;
  /** Digest of the manifest or index behind the reference; empty for an image made here. */
  readonly target: string;
}
export interface DocumentRow {
  readonly digest: string;
  readonly media_type: string;
  readonly bytes: Uint8Array;
  /** The image that a manifest describes; empty for an index. */
  readonly image_id: string;
}
export interface LayerRow {
  readonly digest: string;
  readonly media_type: string;
  readonly size_bytes: number;
  readonly diff_id: string;
}
export interface PlaceRow {
  readonly digest: string;
  readonly repository: string;
}

/** Statements over the tables of images. */
export class ImageTable {
  readonly db: Database;
  readonly #insert;
  readonly #touch;
  readonly #delete;
  readonly #point;
  readonly #drop;
  readonly #document;
  readonly #layer;
  readonly #place;

  constructor(db: Database) {
    this.db = db;
    this.#insert = db.prepare<null, [string, Uint8Array, number, string, string]>(
      "INSERT OR IGNORE INTO images (id, config, size_bytes, parent, tagged_at_ns) VALUES (?, ?, ?, ?, ?)",
    );
    this.#touch = db.prepare<null, [string, string]>("UPDATE images SET tagged_at_ns = ? WHERE id = ?");
    this.#delete = db.prepare<null, [string]>("DELETE FROM images WHERE id = ?");
    this.#point = db.prepare<null, [string, string, number, string]>(
      "INSERT INTO image_references (reference, image_id, is_digest, target) VALUES (?, ?, ?, ?) ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id, target = excluded.target",
    );
    this.#drop = db.prepare<null, [string]>("DELETE FROM image_references WHERE reference = ?");
    this.#document = db.prepare<null, [string, string, Uint8Array, string]>(
      "INSERT INTO image_documents (digest, media_type, bytes, image_id) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET image_id = excluded.image_id",
    );
    this.#layer = db.prepare<null, [string, string, number, string]>(
      // what was found out once stays
      "INSERT INTO image_layers (digest, media_type, size_bytes, diff_id) VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET media_type = excluded.media_type, size_bytes = excluded.size_bytes, diff_id = excluded.diff_id WHERE image_layers.diff_id = ''",
    );
    this.#place = db.prepare<null, [string, string]>(
      "INSERT OR IGNORE INTO image_layer_places (digest, repository) VALUES (?, ?)",
    );
  }

  /** One durable commit of all that `work` does. */
  transaction(work: () => void): void {
    this.db.transaction(work).immediate();
  }

  rows(): { images: ImageRow[]; references: ReferenceRow[] } {
    return {
      images: this.db.query<ImageRow, []>("SELECT * FROM images").all(),
      references: this.db.query<ReferenceRow, []>("SELECT * FROM image_references").all(),
    };
  }

  documents(): DocumentRow[] {
    return this.db.query<DocumentRow, []>("SELECT * FROM image_documents").all();
  }

  documentBytes(digest: string): Uint8Array | undefined {
    return this.db
      .query<{ bytes: Uint8Array }, [string]>("SELECT bytes FROM image_documents WHERE digest = ?")
      .get(digest)?.bytes;
  }

  layers(): { layers: LayerRow[]; places: PlaceRow[] } {
    return {
      layers: this.db.query<LayerRow, []>("SELECT * FROM image_layers").all(),
      places: this.db.query<PlaceRow, []>("SELECT * FROM image_layer_places").all(),
    };
  }

  insert(row: ImageRow): void {
    this.#insert.run(row.id, row.config, row.size_bytes, row.parent, row.tagged_at_ns);
  }

  point(reference: string, imageId: string, options: { digest: boolean; target: string; taggedAtNs: bigint }): void {
    this.#point.run(reference, imageId, options.digest ? 1 : 0, options.target);
    this.#touch.run(options.taggedAtNs.toString(), imageId);
  }

  drop(reference: string): void {
    this.#drop.run(reference);
  }

  use(id: string, usedAtNs: bigint): void {
    this.db.query<null, [string, string]>("UPDATE images SET used_at_ns = ? WHERE id = ?").run(usedAtNs.toString(), id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  putDocument(row: DocumentRow): void {
    this.#document.run(row.digest, row.media_type, row.bytes, row.image_id);
  }

  deleteDocument(digest: string): void {
    this.db.query<null, [string]>("DELETE FROM image_documents WHERE digest = ?").run(digest);
  }

  putLayer(row: LayerRow): void {
    this.#layer.run(row.digest, row.media_type, row.size_bytes, row.diff_id);
  }

  putPlace(digest: string, repository: string): void {
    this.#place.run(digest, repository);
  }

  deleteLayer(digest: string): void {
    this.db.query<null, [string]>("DELETE FROM image_layers WHERE digest = ?").run(digest);
    this.db.query<null, [string]>("DELETE FROM image_layer_places WHERE digest = ?").run(digest);
  }
}
