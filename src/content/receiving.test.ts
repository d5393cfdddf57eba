import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContentStore } from "./store.ts";

let dir = "";
let store: ContentStore;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-receive-"));
  store = new ContentStore({ root: dir });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const bytes = Buffer.concat(
  Array.from({ length: 20_000 }, (_, index) => createHash("sha512").update(String(index)).digest()),
);
const wanted = (algorithm = "sha256") => ({
  digest: `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`,
  sizeBytes: bytes.length,
});
const part = (from: number, to?: number): Uint8Array => new Uint8Array(bytes.subarray(from, to)); // memory of its own
const ingest = (): string[] => readdirSync(join(dir, "ingest"));
const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "nothing was thrown";
};

test.each(["sha256", "sha512"])(
  "a blob comes in pieces, over two processes, and appears when it is whole (%s)",
  async (algorithm) => {
    const { digest } = wanted(algorithm);
    {
      await using first = await store.receive(wanted(algorithm));
      expect(first.offsetBytes).toBe(0);
      await first.write(part(0, 700_000));
      await first.write(part(700_000, 700_001));
    }
    expect([store.has(digest), ingest()]).toEqual([false, [`${digest.replace(":", "-")}.partial`]]);
    store = new ContentStore({ root: dir });
    await using next = await store.receive(wanted(algorithm));
    expect(next.offsetBytes).toBe(700_001);
    await next.write(part(700_001));
    expect(await next.commit()).toEqual(wanted(algorithm));
    expect([store.has(digest), ingest(), new ContentStore({ root: dir }).list()]).toEqual([
      true,
      [],
      [wanted(algorithm)],
    ]);
    expect(
      Buffer.concat(
        await Array.fromAsync(store.read(digest, { offsetBytes: 1_000_000 }) as AsyncIterable<Buffer>),
      ).equals(bytes.subarray(1_000_000)),
    ).toBe(true);
    expect(await store.isWhole(digest)).toBe(true);
    writeFileSync(store.path(digest), "other");
    expect(await store.isWhole(digest)).toBe(false);
  },
);

test("readers follow what arrives, and end only when it is verified", async () => {
  const receiving = await store.receive(wanted());
  await receiving.write(part(0, 600_000));
  const follow = receiving.follow()[Symbol.asyncIterator]();
  const before = [];
  while (before.reduce((sum, { length }) => sum + length, 0) < 600_000) {
    const { value } = await follow.next();
    if (value) before.push(Buffer.from(value));
  }
  expect(Buffer.concat(before).equals(bytes.subarray(0, 600_000))).toBe(true);
  let ended = false;
  const rest = (async () => {
    const parts = [];
    for (let next = await follow.next(); !next.done; next = await follow.next()) parts.push(Buffer.from(next.value));
    ended = true;
    return Buffer.concat(parts);
  })();
  await receiving.write(part(600_000));
  expect(ended).toBe(false);
  await receiving.commit();
  expect((await rest).equals(bytes.subarray(600_000))).toBe(true);
  const late = await Array.fromAsync(receiving.follow(), (piece) => Buffer.from(piece));
  expect(Buffer.concat(late).equals(bytes)).toBe(true);
  await receiving[Symbol.asyncDispose]();
});

test("readers of what ends early are told", async () => {
  const receiving = await store.receive(wanted());
  await receiving.write(part(0, 10));
  const read = failure(Array.fromAsync(receiving.follow()));
  await receiving[Symbol.asyncDispose]();
  expect(await read).toContain("ended early");
});

test.each([
  ["longer", Buffer.concat([bytes, Buffer.from("x")]), "is longer than"],
  ["shorter", bytes.subarray(1), "bytes long, not"],
  ["other bytes", Buffer.concat([bytes.subarray(1), Buffer.from("x")]), "the content's digest is"],
])("%s: refused, and the next try begins anew", async (_what, content, text) => {
  const receiving = await store.receive(wanted());
  const work = async (): Promise<void> => {
    await receiving.write(new Uint8Array(content));
    await receiving.commit();
  };
  expect(await failure(work())).toContain(text);
  await receiving[Symbol.asyncDispose]();
  expect(store.list()).toEqual([]);
  await using next = await store.receive(wanted());
  if (text !== "is longer than") expect(next.offsetBytes).toBe(0);
  await next.discard();
  expect(ingest()).toEqual([]);
});

test("a second receiver waits for the first, and sees what it brought", async () => {
  const first = await store.receive(wanted());
  const second = store.receive(wanted());
  await first.write(part(0));
  await first.commit();
  await first[Symbol.asyncDispose]();
  await using other = await second;
  expect([store.has(wanted().digest), other.offsetBytes]).toEqual([true, 0]);
  await other.discard();
  expect(store.has(wanted().digest)).toBe(true);
});

test("a part that nobody came back for goes after some days, spools of another process at once", () => {
  const [old, young, spool] = ["sha256-a.partial", "sha256-b.partial", "123-1"].map((name) =>
    join(dir, "ingest", name),
  );
  for (const path of [old, young, spool]) writeFileSync(path ?? "", "x");
  utimesSync(old ?? "", 1, 1);
  expect(statSync(old ?? "").size).toBe(1);
  store = new ContentStore({ root: dir });
  expect(ingest()).toEqual(["sha256-b.partial"]);
});

test("a full disk is a clear error, and what was there before goes on later", async () => {
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", join(dir, "ingest")]);
  try {
    const receiving = await store.receive(wanted());
    const work = async (): Promise<void> => {
      for (let at = 0; at < bytes.length; at += 100_000) await receiving.write(part(at, at + 100_000));
      await receiving.commit();
    };
    expect(await failure(work())).toBe("no space left on device");
    await receiving[Symbol.asyncDispose]();
    expect(existsSync(store.path(wanted().digest))).toBe(false);
    Bun.spawnSync(["mount", "-o", "remount,size=8m", join(dir, "ingest")]);
    await using next = await store.receive(wanted());
    expect(next.offsetBytes).toBeGreaterThan(500_000);
    expect(Buffer.from(new Uint8Array(next.offsetBytes)).length).toBeLessThanOrEqual(1024 * 1024);
  } finally {
    Bun.spawnSync(["umount", "-l", join(dir, "ingest")]);
  }
});
