import type { Readable } from "node:stream";
import { closeSync, fstatSync } from "node:fs";
import { posix } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { decompress } from "../../content/decompress.ts";
import { newRing, RingWriter } from "../../snapshots/apply/ring.ts";
import type { Container } from "../container.ts";
import type { ExtractReply, ExtractRequest } from "./extract-worker.ts";
import { openPath } from "./path-stat.ts";
import type { ContainerRoot } from "./held-trees.ts";

/** Ceilings of one copy: larger than any real one, smaller than a machine's death. */
const limits = { maxBytes: 1024 ** 4, maxEntries: 10_000_000 };

export interface WriteOptions {
  /** Replacing a folder by a file, or a file by a folder, is an error. */
  readonly noOverwriteDirNonDir: boolean;
  /** Owner of all that is written; undefined = as the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Unpacks a tar (plain or compressed) into a folder of the container, in a Worker whose root is the container's: links
 * that its processes put in the way end inside it. Decompression is our own; nothing of the container's is run.
 */
export async function writeTree(
  root: ContainerRoot,
  container: Container,
  path: string,
  tar: Readable,
  options: WriteOptions,
): Promise<void> {
  const folder = posix.resolve("/", path);
  const fd = openPath(root, folder, container.name, { follow: true });
  try {
    if (!fstatSync(fd).isDirectory()) throw new EngineError("invalid", "extraction point is not a directory", { path });
  } finally {
    closeSync(fd);
  }
  try {
    await unpack({ root: root.path, folder, ...options }, tar, root.gone);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, textOf(error.message, container, path), error.detail, { cause: error });
  }
}

/**
 * Unpacks a tar, plain or compressed, into `folder` as it is seen from inside `root`, whatever its names and links
 * say. Throws `cancelled` when the signal fires.
 */
export async function unpack(
  target: { root: string; folder: string } & WriteOptions,
  tar: Readable,
  signal?: AbortSignal,
): Promise<void> {
  const ring = newRing();
  const writer = new RingWriter(ring);
  const worker = new Worker(new URL("./extract-worker.ts", import.meta.url).href);
  const cancel = (): void => void tar.destroy(new EngineError("cancelled", "the archive's reader gave up"));
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const reply = ask(worker, {
      ring,
      root: target.root,
      folder: target.folder,
      limits,
      noOverwriteDirNonDir: target.noOverwriteDirNonDir,
      ...(target.owner && { owner: target.owner }),
    });
    void reply.finally(() => writer.stop()).catch(() => undefined); // told below
    await feed(writer, decompress(tar));
    const answer = await reply;
    if (!answer.ok) throw new EngineError(answer.kind, answer.message);
  } finally {
    signal?.removeEventListener("abort", cancel);
    worker.terminate();
  }
}

async function feed(writer: RingWriter, tar: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of tar) {
      await writer.write(chunk);
      if (writer.stopped) return;
    }
    writer.end();
  } catch (error) {
    writer.abort();
    throw error;
  }
}

function textOf(message: string, { plan }: Container, path: string): string {
  if (!/read-only|EROFS/i.test(message)) return message;
  const onVolume = plan.mounts.some(
    ({ target, readOnly }) => readOnly && (path === target || path.startsWith(`${target}/`)),
  );
  return onVolume ? "mounted volume is marked read-only" : "container rootfs is marked read-only";
}

function ask(worker: Worker, request: ExtractRequest): Promise<ExtractReply> {
  const { promise, resolve, reject } = Promise.withResolvers<ExtractReply>();
  worker.onmessage = (event: MessageEvent<ExtractReply>) => resolve(event.data);
  worker.onerror = (event) => reject(new EngineError("internal", `the unpacking thread failed: ${event.message}`));
  worker.postMessage(request);
  return promise;
}
