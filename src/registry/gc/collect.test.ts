import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../../../test/harness/run.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import { Logger } from "../../base/log.ts";
import { migrate } from "../../store/migrate.ts";
import { openStore, type Store } from "../../store/open.ts";
import { knownBlob, linkedSize } from "../books/links.ts";
import { registryMigrations } from "../books/registry.sql.ts";
import type { Core } from "../core.ts";
import type { BlobDriver } from "../storage/driver.ts";
import { filesystemDriver } from "../storage/filesystem/filesystem.ts";
import { Uploads } from "../uploads/uploads.ts";
import { collect } from "./collect.ts";
import { condemnBatch } from "./condemn.ts";

// The real store behind gates, as slow as a test wants it: the races of a second are too narrow on a fast disk.
const content = new TextEncoder().encode("brought again while it is removed");
const digest = `sha256:${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;
const options = { dryRun: false, untagged: false, graceMs: 0, uploadIdleMs: 1e9 };

let folder = "";
let store: Store;
let core: Core;
let uploads: Uploads;
let gates: { remove: Promise<void>; adopt: Promise<void> };
let waiting: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp("/tmp/berth-collect-");
  gates = { remove: Promise.resolve(), adopt: Promise.resolve() };
  waiting = [];
  const files = await filesystemDriver(join(folder, "blobs"));
  const driver: BlobDriver = {
    ...files,
    async remove(one) {
      waiting.push("remove");
      await gates.remove;
      await files.remove(one);
    },
    async adopt(file, one) {
      waiting.push("adopt");
      await gates.adopt;
      await files.adopt(file, one);
    },
  };
  store = openStore(join(folder, "books.db"));
  migrate(store.db, registryMigrations);
  core = {
    db: store.db,
    driver,
    locks: new KeyedLock(),
    log: new Logger({ level: "fatal", format: "text" }),
    tell() {},
  };
  uploads = await Uploads.at(core, join(folder, "uploads"), { admit() {} });
});
afterEach(async () => {
  await uploads[Symbol.asyncDispose]();
  store.close();
  await rm(folder, { recursive: true, force: true });
});

async function push(): Promise<void> {
  const id = await uploads.begin("app", { algorithm: "sha256", by: "" });
  await uploads.append("app", id, { stream: new Blob([content]).stream() });
  await uploads.finish("app", id, digest);
}

async function expectWhole(): Promise<void> {
  expect(linkedSize(core.db, "app", digest)).toBe(content.length);
  expect(knownBlob(core.db, digest)).toEqual({ size: content.length, condemned: false });
  expect(await core.driver.size(digest)).toBe(content.length);
}

test("a blob that is brought again while its bytes are being removed is there afterwards", async () => {
  await push();
  await Bun.sleep(2); // the grace time is over when the clock has moved
  const gate = Promise.withResolvers<void>();
  gates.remove = gate.promise;
  const collecting = collect(core, uploads, options);
  await until("the removal has begun", () => waiting.includes("remove"));
  waiting = [];
  const pushing = push();
  await until("the upload waits, or is in", () => core.locks.busy(digest) || waiting.includes("adopt"));
  await Bun.sleep(20); // time for an upload that does not wait to be done
  gate.resolve();
  await Promise.all([collecting, pushing]);
  await expectWhole();
});

test("a condemned blob that is brought again before its bytes are removed is not removed", async () => {
  await push();
  await Bun.sleep(2); // the grace time is over when the clock has moved
  condemnBatch(core.db, { after: { repository: 0, digest: "" }, cutoffMs: Date.now(), limit: 10 });
  expect(knownBlob(core.db, digest)?.condemned).toBe(true);
  expect(linkedSize(core.db, "app", digest)).toBeUndefined();
  const gate = Promise.withResolvers<void>();
  gates.adopt = gate.promise;
  waiting = [];
  const pushing = push();
  await until("the upload puts its bytes", () => waiting.includes("adopt"));
  const collecting = collect(core, uploads, options);
  await Bun.sleep(20); // time for a collection that does not wait to be done
  gate.resolve();
  await Promise.all([collecting, pushing]);
  await expectWhole();
});

test("a row that a crash left without its bytes is not trusted by an upload", async () => {
  await push();
  await Bun.sleep(2); // the grace time is over when the clock has moved
  condemnBatch(core.db, { after: { repository: 0, digest: "" }, cutoffMs: Date.now(), limit: 10 });
  await core.driver.remove(digest);
  await push();
  await expectWhole();
});

test("a collection that was cut goes on behind its cursor", async () => {
  core.db.run("BEGIN");
  for (let n = 0; n < 300; n += 1) {
    core.db.run("INSERT INTO repositories (id, name, created_at) VALUES (?, ?, 0)", [n + 1, `r${n}`]);
    const one = `sha256:${n.toString(16).padStart(64, "0")}`;
    core.db.run("INSERT INTO blobs (digest, size, created_at) VALUES (?, 1, 0)", [one]);
    core.db.run("INSERT INTO links (repository, digest, touched_at) VALUES (?, ?, 0)", [n + 1, one]);
  }
  core.db.run("COMMIT");
  const stop = new AbortController();
  const gate = Promise.withResolvers<void>();
  gates.remove = gate.promise;
  const cut = collect(core, uploads, { ...options, signal: stop.signal });
  await until("the first batch is being removed", () => waiting.length > 0);
  stop.abort();
  gate.resolve();
  const said = await cut.then(
    () => "ended",
    () => "cut",
  );
  expect(said).toBe("cut");
  const left = core.db.query<{ n: number }, []>("SELECT count(*) AS n FROM blobs").get()?.n ?? 0;
  expect(left).toBeGreaterThan(40);
  expect((await collect(core, uploads, options)).blobs).toBe(left);
  expect(core.db.query("SELECT 1 FROM blobs").get()).toBeNull();
  expect(core.db.query("SELECT 1 FROM repositories").get()).toBeNull();
});
