import type { Migration } from "../../store/migration.ts";

/** Who may do what. Users and their passwords are in an htpasswd file; secrets here are digests of random ones. */
export const authMigrations: readonly Migration[] = [
  {
    id: "registry-auth/1-rights",
    up(db) {
      // subject: `user:alice` or `robot:ci`; actions: `pull,push,delete`
      db.run(`CREATE TABLE grants (
        subject TEXT NOT NULL, pattern TEXT NOT NULL, actions TEXT NOT NULL,
        PRIMARY KEY (subject, pattern)) STRICT, WITHOUT ROWID`);
      db.run("CREATE TABLE admins (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID");
      db.run(`CREATE TABLE robots (
        name TEXT PRIMARY KEY, secret_digest BLOB NOT NULL, created_at INTEGER NOT NULL, created_by TEXT NOT NULL,
        expires_at INTEGER) STRICT, WITHOUT ROWID`);
      db.run(`CREATE TABLE refresh_tokens (
        digest BLOB PRIMARY KEY, subject TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID`);
      db.run("CREATE INDEX refresh_tokens_by_subject ON refresh_tokens (subject)");
    },
  },
];
