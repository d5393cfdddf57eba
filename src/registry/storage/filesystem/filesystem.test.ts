import { expect, test } from "bun:test";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { blobDriverConformance } from "../conformance.ts";
import { filesystemDriver } from "./filesystem.ts";

blobDriverConformance("filesystem", (folder) => filesystemDriver(join(folder, "blobs")));

test("filesystem: who reads a blob goes on when it is removed, and foreign files are not told as blobs", async () => {
  const folder = await mkdtemp("/tmp/berth-blobs-");
  try {
    const driver = await filesystemDriver(join(folder, "blobs"));
    const bytes = new Uint8Array(5_000_000).fill(7);
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
    await writeFile(join(folder, "staged"), bytes);
    await driver.adopt(join(folder, "staged"), digest);
    const body = await driver.read(digest);
    const reader = (body instanceof Blob ? body.stream() : body).getReader();
    let read = (await reader.read()).value?.length ?? 0;
    await driver.remove(digest);
    for (let next = await reader.read(); !next.done; next = await reader.read()) read += next.value.length;
    expect(read).toBe(bytes.length);
    const shard = join(folder, "blobs/sha256", digest.slice(7, 9));
    expect((await stat(shard)).mode & 0o777).toBe(0o700);
    await writeFile(join(shard, "README"), "not a blob");
    expect(await Array.fromAsync(driver.list())).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
