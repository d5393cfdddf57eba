import { open, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fault } from "../../../base/fault.ts";
import { digestAlgorithms, isDigest } from "../../names.ts";
import type { BlobDriver, BytePart, StoredBlob } from "../driver.ts";

/**
 * Blobs as files: `<folder>/sha256/ab/abcd...`. The staging folder must be on the same file system: an adoption is a
 * rename. 256 shards keep folders of a million blobs at 4000 entries.
 */
export async function filesystemDriver(folder: string): Promise<BlobDriver> {
  for (const algorithm of digestAlgorithms) await mkdir(join(folder, algorithm), { recursive: true, mode: 0o700 });
  const pathOf = (digest: string): string => {
    const [algorithm = "", hex = ""] = digest.split(":");
    return join(folder, algorithm, hex.slice(0, 2), hex);
  };
  return {
    name: "filesystem",
    size: (digest) => statOrNothing(pathOf(digest)).then((found) => found?.size),
    async read(digest: string, part?: BytePart) {
      const file = Bun.file(pathOf(digest), { type: "application/octet-stream" });
      return part === undefined ? file : file.slice(part.start, part.end, "application/octet-stream");
    },
    async adopt(file, digest) {
      const path = pathOf(digest);
      const shard = dirname(path);
      if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(dirname(shard));
      await rename(file, path);
      fault("registry.adopt");
      await syncFolder(shard);
    },
    remove: (digest) => rm(pathOf(digest), { force: true }),
    list: () => listBlobs(folder),
    async [Symbol.asyncDispose]() {},
  };
}

async function* listBlobs(folder: string): AsyncGenerator<StoredBlob> {
  for (const algorithm of digestAlgorithms) {
    for (const shard of await readdir(join(folder, algorithm))) {
      for (const hex of await readdir(join(folder, algorithm, shard))) {
        const digest = `${algorithm}:${hex}`;
        const found = isDigest(digest) ? await statOrNothing(join(folder, algorithm, shard, hex)) : undefined;
        if (found !== undefined) yield { digest, sizeBytes: found.size, modifiedAtMs: found.mtimeMs };
      }
    }
  }
}

async function statOrNothing(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A rename is on the disk only when its folder is: fsync(2). */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
