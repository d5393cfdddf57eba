import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock } from "../../base/keyed-lock.ts";
import { Logger } from "../../base/log.ts";
import { migrate } from "../../store/migrate.ts";
import { openStore, type Store } from "../../store/open.ts";
import { registryMigrations } from "../books/registry.sql.ts";
import { filesystemDriver } from "../storage/filesystem/filesystem.ts";
import { Uploads } from "./uploads.ts";

let folder = "";
let store: Store;
let uploads: Uploads;

async function openUploads(): Promise<Uploads> {
  const core = {
    db: store.db,
    driver: await filesystemDriver(join(folder, "blobs")),
    locks: new KeyedLock(),
    log: new Logger({ level: "fatal", format: "text" }),
    tell() {},
  };
  return Uploads.at(core, join(folder, "uploads"), { admit() {}, stallMs: 100 });
}

beforeEach(async () => {
  folder = await mkdtemp("/tmp/berth-uploads-");
  store = openStore(join(folder, "books.db"));
  migrate(store.db, registryMigrations);
  uploads = await openUploads();
});
afterEach(async () => {
  await uploads[Symbol.asyncDispose]();
  store.close();
  await rm(folder, { recursive: true, force: true });
});

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "",
    (error: unknown) => String(error),
  );

async function* sayAndHang(text: string, hang: Promise<void>): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
  await hang;
}

test("a request whose client is gone without a word gives way, and what it brought stays", async () => {
  const id = await uploads.begin("app", { algorithm: "sha256", by: "" });
  const hang = Promise.withResolvers<void>();
  const stalled = failure(uploads.append("app", id, { stream: sayAndHang("12345", hang.promise) }));
  expect(await uploads.status("app", id)).toBe(5);
  expect(await stalled).toContain("another request goes on with this upload");
  expect(await uploads.append("app", id, { stream: new Blob(["678"]).stream(), range: { start: 5, end: 7 } })).toBe(8);
  hang.resolve();
});

test("a request that is slow and alive does not give way", async () => {
  const id = await uploads.begin("app", { algorithm: "sha256", by: "" });
  let going = true;
  const trickle = async function* (): AsyncGenerator<Uint8Array> {
    while (going) {
      yield new Uint8Array([1]);
      await Bun.sleep(10); // slow
    }
  };
  const slow = uploads.append("app", id, { stream: trickle() });
  expect(await failure(uploads.status("app", id))).toContain("is busy");
  going = false;
  expect(await slow).toBeGreaterThan(5);
});

test("uploads that nobody wrote to for long are swept away, with files that no upload knows; others stay", async () => {
  const [old, fresh] = [
    await uploads.begin("app", { algorithm: "sha256", by: "" }),
    await uploads.begin("app", { algorithm: "sha256", by: "" }),
  ];
  await Bun.write(join(folder, "uploads", "lost"), "x");
  const before = new Date(Date.now() - 10_000);
  for (const name of [old, "lost"]) await utimes(join(folder, "uploads", name), before, before);
  expect(await uploads.sweep(5000)).toBe(2);
  expect(await readdir(join(folder, "uploads"))).toEqual([fresh]);
  expect(await failure(uploads.status("app", old))).toContain("unknown");
  expect([await uploads.status("app", fresh), uploads.count]).toEqual([0, 1]);
});

test("more uploads than files may be open go on all the same, their digests computed again", async () => {
  const ids = [];
  for (let n = 0; n < 300; n += 1) ids.push(await uploads.begin("app", { algorithm: "sha256", by: "" }));
  for (const [n, id] of ids.entries()) await uploads.append("app", id, { stream: new Blob([`${n}`]).stream() });
  for (const [n, id] of ids.entries()) {
    if (n % 30 !== 0) continue;
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(`${n}`).digest("hex")}`;
    expect(await uploads.finish("app", id, digest)).toBe(`${n}`.length);
  }
});
