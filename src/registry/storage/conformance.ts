import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BlobDriver } from "./driver.ts";

const digestOf = (bytes: Uint8Array): string => `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

async function readAll(body: Blob | ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Response(body as BodyInit).bytes();
}

/** What every driver must do. `open` gives a driver on a place of its own; the folder is for staged files. */
export function blobDriverConformance(name: string, open: (folder: string) => Promise<BlobDriver>): void {
  const check = (
    what: string,
    body: (driver: BlobDriver, adopt: (bytes: Uint8Array) => Promise<string>) => Promise<void>,
  ): void =>
    test(`${name}: ${what}`, async () => {
      const folder = await mkdtemp("/tmp/berth-blobs-");
      try {
        await using driver = await open(folder);
        let staged = 0;
        await body(driver, async (bytes) => {
          const path = join(folder, `staged-${(staged += 1)}`);
          await Bun.write(path, bytes);
          await driver.adopt(path, digestOf(bytes));
          expect(await Bun.file(path).exists()).toBe(false);
          return digestOf(bytes);
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });

  check("what was adopted is there with its size and its bytes, empty ones too", async (driver, adopt) => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array([0, 255, 10, 13]),
      crypto.getRandomValues(new Uint8Array(60_000)),
    ]) {
      const digest = await adopt(bytes);
      expect(await driver.size(digest)).toBe(bytes.length);
      expect(await readAll(await driver.read(digest))).toEqual(bytes);
    }
  });

  check("a blob of several parts comes back whole", async (driver, adopt) => {
    const bytes = new Uint8Array(70 * 1024 * 1024);
    for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    const digest = await adopt(bytes);
    expect(await driver.size(digest)).toBe(bytes.length);
    const hasher = new Bun.CryptoHasher("sha256");
    const body = await driver.read(digest);
    for await (const chunk of body instanceof Blob ? body.stream() : body) hasher.update(chunk);
    expect(`sha256:${hasher.digest("hex")}`).toBe(digest);
  });

  check("a part is half-open", async (driver, adopt) => {
    const digest = await adopt(new TextEncoder().encode("0123456789"));
    const part = async (start: number, end: number): Promise<string> =>
      new TextDecoder().decode(await readAll(await driver.read(digest, { start, end })));
    expect([await part(0, 2), await part(3, 7), await part(9, 10)]).toEqual(["01", "3456", "9"]);
  });

  check("what is missing has no size and cannot be read; removing it again is no failure", async (driver, adopt) => {
    const digest = await adopt(new Uint8Array([1]));
    await driver.remove(digest);
    await driver.remove(digest);
    expect(await driver.size(digest)).toBeUndefined();
    let failure: unknown;
    try {
      await readAll(await driver.read(digest));
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeDefined();
  });

  check("adopting what is there already replaces it", async (driver, adopt) => {
    const bytes = new Uint8Array([7, 7, 7]);
    const digest = await adopt(bytes);
    expect(await adopt(bytes)).toBe(digest);
    expect(await readAll(await driver.read(digest))).toEqual(bytes);
  });

  check("list() tells every blob once, with its size and when it came", async (driver, adopt) => {
    const startedAt = Date.now() - 2000; // servers tell whole seconds
    const digests = [];
    for (let n = 1; n <= 5; n += 1) digests.push(await adopt(new Uint8Array(n)));
    const found = await Array.fromAsync(driver.list());
    expect(found.map(({ digest }) => digest).sort()).toEqual(digests.sort());
    expect(found.map(({ sizeBytes }) => sizeBytes).sort()).toEqual([1, 2, 3, 4, 5]);
    for (const { modifiedAtMs } of found) expect(modifiedAtMs).toBeGreaterThan(startedAt);
  });
}
