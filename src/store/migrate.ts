import type { Database } from "bun:sqlite";
import { EngineError } from "../base/errors.ts";
import type { Migration } from "./migration.ts";

/**
 * Runs the steps of one feature (`<feature>/...`) that this data root has not seen, each in a transaction with the
 * note that it ran. Throws conflict when the data root knows a step of the feature that this program does not.
 */
export function migrate(db: Database, migrations: readonly Migration[]): void {
  db.run("CREATE TABLE IF NOT EXISTS migrations (id TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT");
  const applied = new Set(
    db
      .query<{ id: string }, []>("SELECT id FROM migrations")
      .all()
      .map((row) => row.id),
  );
  refuseNewer(applied, migrations);
  const note = db.query<unknown, [string, string]>("INSERT INTO migrations (id, applied_at) VALUES (?, ?)");
  for (const { id, up } of migrations) {
    if (applied.has(id)) continue;
    db.transaction(() => {
      up(db);
      note.run(id, new Date().toISOString());
    }).immediate();
  }
}

function refuseNewer(applied: ReadonlySet<string>, migrations: readonly Migration[]): void {
  const features = new Set(migrations.map(({ id }) => feature(id)));
  const known = new Set(migrations.map(({ id }) => id));
  const newer = [...applied].filter((id) => features.has(feature(id)) && !known.has(id));
  if (newer.length === 0) return;
  throw new EngineError(
    "conflict",
    `the data root was written by a newer version of this program (it has ${newer.join(", ")}): use that version, or another data root`,
    { newer },
  );
}

const feature = (id: string): string => id.slice(0, id.indexOf("/"));
