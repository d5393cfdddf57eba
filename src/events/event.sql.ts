import type { Migration } from "../store/migration.ts";

export const eventMigrations: readonly Migration[] = [
  {
    id: "events/1-table",
    up(db) {
      db.run(
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, event TEXT NOT NULL) STRICT",
      );
      db.run("CREATE INDEX events_by_time ON events (time_ns)");
    },
  },
];
