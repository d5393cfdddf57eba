import type { Migration } from "../../store/migration.ts";

/**
 * What the registry knows. A blob's bytes are at the driver; whether a repository has it is a link. Times are
 * milliseconds since the epoch.
 */
export const registryMigrations: readonly Migration[] = [
  {
    id: "registry/1-books",
    up(db) {
      db.run(`CREATE TABLE repositories (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) STRICT`);
      // condemned: its bytes are being removed; nobody may link it until the row is gone
      db.run(`CREATE TABLE blobs (
        digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL,
        condemned INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID`);
      // touched_at: when a client was last told that the repository has the blob
      db.run(`CREATE TABLE links (
        repository INTEGER NOT NULL REFERENCES repositories(id), digest TEXT NOT NULL REFERENCES blobs(digest),
        touched_at INTEGER NOT NULL, PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID`);
      db.run("CREATE INDEX links_by_digest ON links (digest)");
      db.run(`CREATE TABLE manifests (
        repository INTEGER NOT NULL REFERENCES repositories(id), digest TEXT NOT NULL, media_type TEXT NOT NULL,
        artifact_type TEXT, subject TEXT, annotations TEXT, bytes BLOB NOT NULL,
        pushed_at INTEGER NOT NULL, pushed_by TEXT NOT NULL, touched_at INTEGER NOT NULL,
        PRIMARY KEY (repository, digest)) STRICT`);
      db.run("CREATE INDEX manifests_by_subject ON manifests (repository, subject) WHERE subject IS NOT NULL");
      // what a manifest needs: blobs and other manifests
      db.run(`CREATE TABLE children (
        repository INTEGER NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
        media_type TEXT NOT NULL, PRIMARY KEY (repository, manifest, digest),
        FOREIGN KEY (repository, manifest) REFERENCES manifests(repository, digest) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID`);
      db.run("CREATE INDEX children_by_digest ON children (repository, digest)");
      db.run(`CREATE TABLE tags (
        repository INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, pushed_at INTEGER NOT NULL,
        pulled_at INTEGER, PRIMARY KEY (repository, name),
        FOREIGN KEY (repository, digest) REFERENCES manifests(repository, digest)) STRICT, WITHOUT ROWID`);
      db.run("CREATE INDEX tags_by_digest ON tags (repository, digest)");
      db.run(`CREATE TABLE uploads (
        id TEXT PRIMARY KEY, repository TEXT NOT NULL, algorithm TEXT NOT NULL, started_by TEXT NOT NULL,
        started_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`);
      // small things that survive a restart: the cursor of a collection
      db.run("CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID");
    },
  },
];
