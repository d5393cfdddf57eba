import { Database } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs";
import { EngineError } from "../base/errors.ts";
import { reserve } from "../kernel/fallocate.ts";

/** SQLite begins the log again after 1000 pages (wal_autocheckpoint), each with a head of 24 bytes; some more for one big commit. */
const logBytes = 1200 * (4096 + 24);

/** An open database file. */
export interface Store extends Disposable {
  readonly db: Database;
  /** The process that had it last did not close it: it was killed, or the machine went down. */
  readonly unclean: boolean;
  close(): void;
}

/**
 * Opens (and makes) a database. `full` waits for the disk at each commit and is for what must survive a power cut;
 * `normal` may lose the last commits then, never more. After an unclean end the file is checked first.
 * Throws internal when it is damaged.
 */
export function openStore(path: string, durability: "full" | "normal" = "full"): Store {
  const unclean = fileBytes(`${path}-wal`) > 0; // a clean close folds the log into the file and removes it
  keepPrivate(path);
  const db = new Database(path, { create: true, readwrite: true, strict: true });
  try {
    db.run("PRAGMA journal_mode = WAL");
    db.run(`PRAGMA synchronous = ${durability}`);
    db.run("PRAGMA foreign_keys = ON");
    db.run("PRAGMA busy_timeout = 5000");
    if (unclean) check(db, path);
    if (durability === "full") reserveLog(db, path);
  } catch (cause) {
    db.close();
    if (cause instanceof EngineError) throw cause;
    throw new EngineError("internal", `database ${path} cannot be opened: ${String(cause)}`, { path }, { cause });
  }
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    db.run("PRAGMA optimize");
    db.close();
  };
  return { db, unclean, close, [Symbol.dispose]: close };
}

/** Rows hold environments, and those passwords: root's alone. SQLite gives the files beside it the same mode. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
}

/**
 * Gives the log room for all it grows to, so that on a full disk containers can still be stopped and removed: nothing
 * else makes space. SQLite takes zeros behind its last frame for the end of the log.
 */
function reserveLog(db: Database, path: string): void {
  db.query("SELECT count(*) FROM sqlite_schema").get(); // makes the log's file
  const fd = openSync(`${path}-wal`, "r+");
  try {
    reserve(fd, logBytes); // without room the daemon starts all the same
  } finally {
    closeSync(fd);
  }
}

function check(db: Database, path: string): void {
  const found = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get()?.quick_check;
  if (found === "ok") return;
  throw new EngineError(
    "internal",
    `database ${path} is damaged (${found ?? "no answer"}): restore it from a backup, or move it away to start empty`,
    { path },
  );
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
