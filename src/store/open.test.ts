import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, openSync, rmSync, writeSync, closeSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "./migrate.ts";
import type { Migration } from "./migration.ts";
import { openStore } from "./open.ts";

let dir = "";
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "berth-store-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const one: Migration = { id: "things/1-table", up: (db) => void db.run("CREATE TABLE things (name TEXT)") };
const two: Migration = { id: "things/2-colour", up: (db) => void db.run("ALTER TABLE things ADD COLUMN colour TEXT") };

test("openStore() sets WAL, full durability and foreign keys", () => {
  using store = openStore(join(dir, "a.db"));
  const pragma = (name: string) => Object.values(store.db.query(`PRAGMA ${name}`).get() as object)[0];
  expect([pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys"), pragma("busy_timeout")]).toEqual([
    "wal",
    2,
    1,
    5000,
  ]);
  expect(store.unclean).toBe(false);
});

test("openStore() keeps acknowledged rows of a process that was killed, and says that its end was unclean", async () => {
  const path = join(dir, "killed.db");
  const program = `import { openStore } from ${JSON.stringify(join(import.meta.dir, "open.ts"))};
    const { db } = openStore(${JSON.stringify(path)});
    db.run("CREATE TABLE t (n INTEGER)"); db.run("INSERT INTO t VALUES (42)");
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", program], { stderr: "inherit" });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  using store = openStore(path);
  expect(store.unclean).toBe(true);
  expect(store.db.query("SELECT n FROM t").get()).toEqual({ n: 42 });
});

test("openStore() refuses a file that is no database, naming it", () => {
  const path = join(dir, "garbage.db");
  const fd = openSync(path, "w");
  writeSync(fd, "this is not a database, it is a long line of words".repeat(100));
  closeSync(fd);
  expect(() => openStore(path)).toThrow(`database ${path} cannot be opened`);
});

test("openStore() finds a damaged page after an unclean end", () => {
  const path = join(dir, "damaged.db");
  {
    using store = openStore(path);
    store.db.run("CREATE TABLE t (n TEXT)");
    store.db.run(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 500) INSERT INTO t SELECT hex(randomblob(200)) FROM c",
    );
  }
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, Math.floor(statSync(path).size / 2 / 4096) * 4096);
  closeSync(fd);
  writeSync(openSync(`${path}-wal`, "w"), Buffer.alloc(32));
  expect(() => openStore(path)).toThrow("is damaged");
});

test("migrate() runs each step once, over several starts", () => {
  const path = join(dir, "m.db");
  {
    using store = openStore(path);
    migrate(store.db, [one]);
  }
  using store = openStore(path);
  migrate(store.db, [one, two]);
  migrate(store.db, [one, two]);
  store.db.run("INSERT INTO things (name, colour) VALUES ('a', 'red')");
  expect(store.db.query("SELECT id FROM migrations ORDER BY id").all()).toEqual([{ id: one.id }, { id: two.id }]);
});

test("migrate() undoes a step that fails half-way, and does not note it", () => {
  using store = openStore(join(dir, "m.db"));
  const broken: Migration = {
    id: "things/1-broken",
    up: (db) => {
      db.run("CREATE TABLE half (n INTEGER)");
      throw new Error("power cut");
    },
  };
  expect(() => migrate(store.db, [broken])).toThrow("power cut");
  expect(store.db.query("SELECT name FROM sqlite_master WHERE name = 'half'").get()).toBeNull();
  expect(store.db.query("SELECT count(*) AS n FROM migrations").get()).toEqual({ n: 0 });
});

test("migrate() refuses a data root of a newer version and does not mind other features", () => {
  using store = openStore(join(dir, "m.db"));
  migrate(store.db, [one, two]);
  expect(() =>
    migrate(store.db, [{ id: "others/1-table", up: (db) => void db.run("CREATE TABLE others (n INTEGER)") }]),
  ).not.toThrow();
  expect(() => migrate(store.db, [one])).toThrow("newer version of this program (it has things/2-colour)");
});
