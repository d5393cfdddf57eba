import { rm } from "node:fs/promises";
import { S3Client, type S3File } from "bun";
import { EngineError, errorMessage } from "../../../base/errors.ts";
import { isDigest } from "../../names.ts";
import type { StorageOptions } from "../../options.ts";
import type { BlobDriver, StoredBlob } from "../driver.ts";

/** Parts of an upload: ten thousand are the most, so blobs of 320 GB pass. */
const partBytes = 32 * 1024 * 1024;
/** Parts on their way at once. */
const queueSize = 4;

/**
 * Blobs as objects `<prefix>blobs/sha256/<hex>` of a bucket. An object shows only when it is complete, so nothing half
 * is ever seen. Uploads are staged on the local disk: a digest is known before the first byte leaves.
 */
export async function s3Driver(options: Extract<StorageOptions, { driver: "s3" }>): Promise<BlobDriver> {
  const client = new S3Client({
    bucket: options.bucket,
    region: options.region,
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.accessKeyId !== undefined && { accessKeyId: options.accessKeyId }),
    ...(options.secretAccessKey !== undefined && { secretAccessKey: options.secretAccessKey }),
  });
  const base = `${options.prefix}blobs/`;
  const object = (digest: string): S3File => client.file(base + digest.replace(":", "/"));
  try {
    await client.list({ prefix: base, maxKeys: 1 });
  } catch (cause) {
    throw new EngineError(
      "unavailable",
      `bucket ${options.bucket} cannot be read: ${errorMessage(cause)}`,
      {},
      { cause },
    );
  }
  return {
    name: "s3",
    size: (digest) =>
      object(digest)
        .stat()
        .then(
          (found) => found.size,
          (error: unknown) => {
            if (isMissing(error)) return undefined;
            throw error;
          },
        ),
    async read(digest, part) {
      const whole = object(digest);
      return (part === undefined ? whole : whole.slice(part.start, part.end)).stream();
    },
    async adopt(file, digest) {
      const writer = object(digest).writer({ partSize: partBytes, queueSize, retry: 3 });
      for await (const chunk of Bun.file(file).stream()) {
        void writer.write(chunk);
        await writer.flush(); // waits while the queue is full
      }
      await writer.end();
      await rm(file, { force: true });
    },
    async remove(digest) {
      await object(digest).delete();
    },
    list: () => listObjects(client, base),
    async [Symbol.asyncDispose]() {},
  };
}

async function* listObjects(client: S3Client, prefix: string): AsyncGenerator<StoredBlob> {
  let startAfter: string | undefined;
  for (;;) {
    const page = await client.list({ prefix, ...(startAfter !== undefined && { startAfter }) });
    for (const { key, size, lastModified } of page.contents ?? []) {
      const digest = key.slice(prefix.length).replace("/", ":");
      if (isDigest(digest))
        yield { digest, sizeBytes: size ?? 0, modifiedAtMs: Date.parse(lastModified ?? "") || Date.now() };
    }
    startAfter = page.contents?.at(-1)?.key;
    if (page.isTruncated !== true || startAfter === undefined) return;
  }
}

const isMissing = (error: unknown): boolean =>
  ["NoSuchKey", "NotFound", "ENOENT"].includes((error as { code?: string }).code ?? "");
