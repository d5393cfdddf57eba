import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentStore } from "./store.ts";

let dir = "";
let store: ContentStore;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-content-"));
  store = new ContentStore({ root: dir });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const hello = Buffer.from("hello");
const digest = `sha256:${createHash("sha256").update(hello).digest("hex")}`;
async function* of(...chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}
const text = async (): Promise<string> =>
  Buffer.concat(await Array.fromAsync(store.read(digest) as AsyncIterable<Buffer>)).toString();

test("ingest() keeps verified content under its digest, and a second time changes nothing", async () => {
  expect(await store.ingest(of(Buffer.from("he"), Buffer.from("llo")), { digest, sizeBytes: 5 })).toEqual({
    digest,
    sizeBytes: 5,
  });
  await store.ingest(of(hello));
  expect([store.has(digest), store.sizeBytes(digest), await text()]).toEqual([true, 5, "hello"]);
  expect(store.list()).toEqual([{ digest, sizeBytes: 5 }]);
});

test.each([
  ["a wrong digest", { digest: `sha256:${"0".repeat(64)}` }, "the content's digest is"],
  ["fewer bytes than said", { sizeBytes: 6 }, "the content is 5 bytes long, not 6"],
  ["more bytes than said", { sizeBytes: 4 }, "the content is longer than 4 bytes"],
  ["more bytes than allowed", { maxBytes: 3 }, "the content is longer than 3 bytes"],
])("ingest() refuses %s and leaves nothing", async (_what, expected, message) => {
  await expect(store.ingest(of(hello), expected)).rejects.toThrow(message);
  expect(store.list()).toEqual([]);
  expect(readdirSync(join(dir, "ingest"))).toEqual([]);
});

test("ingest() of a source that fails leaves nothing", async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield hello;
    throw new Error("the line is dead");
  }
  await expect(store.ingest(broken())).rejects.toThrow("the line is dead");
  expect([store.list(), readdirSync(join(dir, "ingest"))]).toEqual([[], []]);
});

test("digests are no paths", () => {
  for (const bad of ["sha256:../../etc/passwd", "sha256:abc", "../x", `sha512:${"a".repeat(64)}`]) {
    expect(store.has(bad)).toBe(false);
    expect(() => store.path(bad)).toThrow("invalid digest");
    expect(() => store.delete(bad)).toThrow("invalid digest");
  }
});

test("collect() leaves what is needed or leased", async () => {
  await store.ingest(of(hello));
  const lease = store.lease();
  lease.keep(digest);
  expect(store.collect(() => false)).toEqual([]);
  lease[Symbol.dispose]();
  expect(store.collect((needed) => needed === digest)).toEqual([]);
  expect(store.collect(() => false)).toEqual([{ digest, sizeBytes: 5 }]);
  expect(store.has(digest)).toBe(false);
});

test("what an earlier process was receiving is removed at the next start", () => {
  writeFileSync(join(dir, "ingest", "1-1"), "half");
  void new ContentStore({ root: dir });
  expect(readdirSync(join(dir, "ingest"))).toEqual([]);
});
