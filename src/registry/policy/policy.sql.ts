import type { Migration } from "../../store/migration.ts";

/** Rules that administrators set. */
export const policyMigrations: readonly Migration[] = [
  {
    id: "registry-policy/1-rules",
    up(db) {
      db.run("CREATE TABLE quotas (prefix TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID");
      db.run(`CREATE TABLE immutable_tags (
        id INTEGER PRIMARY KEY, repositories TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE (repositories, tags)) STRICT`);
      // a tag that a rule speaks of goes unless such a rule keeps it
      db.run(`CREATE TABLE retention_rules (
        id INTEGER PRIMARY KEY, repositories TEXT NOT NULL, tags TEXT NOT NULL, keep_last INTEGER,
        keep_pushed_ms INTEGER, keep_pulled_ms INTEGER) STRICT`);
    },
  },
];
