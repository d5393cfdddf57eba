import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { decompress } from "./decompress.ts";
import { Packers } from "./packers.ts";

const packers = new Packers({ workers: 2 });
afterAll(() => packers.close());

const noise = Buffer.concat(
  Array.from({ length: 60_000 }, (_, index) => createHash("sha512").update(String(index)).digest()),
);
async function* chunks(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}
const pack = async (compression: "gzip" | "zstd", bytes: Buffer, length = 100_000): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(packers.pack(chunks(bytes, length), { compression })));

test.each([0, 1, 1024 * 1024, 1024 * 1024 + 1, noise.length])(
  "%d bytes come back, whoever unpacks them",
  async (length) => {
    const bytes = noise.subarray(0, length);
    const [gzip, zstd] = [await pack("gzip", bytes), await pack("zstd", bytes)];
    expect(gunzipSync(gzip).equals(bytes)).toBe(true);
    expect(zstdDecompressSync(zstd).equals(bytes)).toBe(true);
    for (const packed of [gzip, zstd]) {
      const own = Buffer.concat(await Array.fromAsync(decompress(chunks(packed, 7777))));
      expect(own.equals(bytes)).toBe(true);
    }
    const gnu = Bun.spawnSync(["gzip", "-dc"], { stdin: new Uint8Array(gzip) });
    expect(Buffer.from(gnu.stdout).equals(bytes)).toBe(true);
  },
);

test("the same bytes give the same blob, however they arrive and beside whatever else", async () => {
  const [one, two, three] = await Promise.all([
    pack("gzip", noise),
    pack("gzip", noise, 1_000_003),
    pack("zstd", noise),
  ]);
  expect(one.equals(two)).toBe(true);
  expect(three.equals(await pack("zstd", noise, 333))).toBe(true);
});

test("a source that fails, and a signal, end the packing; the next one works", async () => {
  async function* bad(): AsyncGenerator<Buffer> {
    yield* chunks(noise, 500_000);
    throw new Error("the source broke");
  }
  let message = "";
  try {
    for await (const part of packers.pack(bad(), { compression: "gzip" })) expect(part.length).toBeGreaterThan(0);
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain("the source broke");
  const stop = new AbortController();
  let stopped = false;
  try {
    for await (const part of packers.pack(chunks(Buffer.concat([noise, noise, noise]), 500_000), {
      compression: "gzip",
      signal: stop.signal,
    }))
      if (part.length > 0) stop.abort();
  } catch {
    stopped = true;
  }
  expect(stopped).toBe(true);
  expect(gunzipSync(await pack("gzip", noise)).equals(noise)).toBe(true);
});
