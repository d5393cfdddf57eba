import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { errorMessage } from "../../base/errors.ts";
import { Appliers } from "../../snapshots/apply/appliers.ts";
import { tarEnd, tarHeader, tarPadding } from "../../snapshots/tree/tar-writer.ts";
import { tarContext, type TarContextOptions } from "./tar-context.ts";

let spoolRoot: string;
const appliers = new Appliers({ maxWorkers: 1 });
beforeAll(() => void (spoolRoot = mkdtempSync("/tmp/berth-context-")));
afterAll(() => {
  appliers.close();
  rmSync(spoolRoot, { recursive: true });
});

const file = (name: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([
    tarHeader({ name, type: "file", mode: 0o644, uid: 5, gid: 5, sizeBytes: bytes.length, mtimeSeconds: 1 }),
    bytes,
    tarPadding(bytes.length),
  ]);
const tar = (...members: Buffer[]): Buffer => Buffer.concat([...members, tarEnd]);

/** The refusal, and what it left on the disk. */
async function refused(bytes: Uint8Array, limits: Partial<TarContextOptions> = {}): Promise<[string, string[]]> {
  let reason = "";
  try {
    const source = (async function* () {
      yield bytes;
    })();
    await using context = await tarContext(source, {
      spoolRoot,
      appliers,
      signal: AbortSignal.timeout(20_000),
      ...limits,
    });
    reason = context ? "taken" : "";
  } catch (error) {
    reason = errorMessage(error);
  }
  return [reason, readdirSync(spoolRoot)];
}

test("a context is taken, and gone when it is let go", async () => {
  expect(await refused(gzipSync(tar(file("Dockerfile", Buffer.from("FROM scratch\n")))))).toEqual(["taken", []]);
});

test("bombs of bytes, of files and of packing are refused, and nothing of them stays", async () => {
  const zeros = file("zeros", Buffer.alloc(8 * 1024 * 1024));
  expect(await refused(tar(zeros), { limits: { maxBytes: 1024 * 1024, maxEntries: 100 } })).toEqual([
    expect.stringContaining("invalid build context"),
    [],
  ]);
  const many = Array.from({ length: 200 }, (_, index) => file(`f${index}`, Buffer.alloc(0)));
  expect(await refused(tar(...many), { limits: { maxBytes: 1024 ** 3, maxEntries: 100 } })).toEqual([
    expect.stringContaining("more than 100 members"),
    [],
  ]);
  expect(await refused(gzipSync(tar(zeros)), { inflateLimits: { freeBytes: 1024 * 1024, maxRatio: 250 } })).toEqual([
    expect.stringContaining("unpacks to more than 250 times its size"),
    [],
  ]);
});

test("what is no archive, and what is cut, is refused", async () => {
  for (const bytes of [
    Buffer.from("this is no tar, however long it may be ".repeat(40)),
    tar(file("a", Buffer.alloc(5000))).subarray(0, 3000),
  ])
    expect(await refused(bytes)).toEqual([expect.stringContaining("invalid build context"), []]);
});
