import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { pipeline, Readable, type Writable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { EngineError, errorMessage } from "../base/errors.ts";

export type Compression = "plain" | "gzip" | "zstd" | "xz" | "bzip2";

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b, 0x08]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/** Names the compression of data by its first bytes. */
export function detectCompression(first: Uint8Array): Compression {
  return magics.find(([, magic]) => magic.every((byte, index) => first[index] === byte))?.[0] ?? "plain";
}

export interface InflateLimits {
  /** Up to here any ratio is fine. */
  readonly freeBytes: number;
  readonly maxRatio: number;
}
/** gzip reaches 1000 to 1, file trees 10 to 1: beyond the first GiB, 250 to 1 is a bomb. */
export const defaultInflateLimits: InflateLimits = { freeBytes: 1024 ** 3, maxRatio: 250 };

const chunkBytes = 256 * 1024;

/**
 * The plain bytes of a stream whose compression is found by its first bytes. In this process, or for xz and bzip2 by
 * the host's program: never one of a container (CVE-2026-41567). Throws `invalid` for broken data and for bombs.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  limits: InflateLimits = defaultInflateLimits,
): AsyncGenerator<Uint8Array, void> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await peek(iterator);
  const packed = { bytes: first.length };
  const all = chain(first, iterator, packed);
  const compression = detectCompression(first);
  if (compression === "plain") return yield* all;
  const inflated =
    compression === "xz" || compression === "bzip2" ? byProgram(compression, all) : inflate(compression, all);
  let plainBytes = 0;
  for await (const chunk of inflated) {
    plainBytes += chunk.length;
    if (plainBytes > limits.freeBytes && plainBytes > packed.bytes * limits.maxRatio) {
      throw new EngineError("invalid", `the archive unpacks to more than ${limits.maxRatio} times its size`);
    }
    yield chunk;
  }
}

/** Each packed piece is taken whole before the next one is asked for: the source may use its memory again. */
async function* inflate(compression: "gzip" | "zstd", packed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const through =
    compression === "gzip" ? createGunzip({ chunkSize: chunkBytes }) : createZstdDecompress({ chunkSize: chunkBytes });
  const fed = feed(packed, through);
  try {
    for await (const chunk of through) yield chunk as Buffer;
  } catch (error) {
    const sourceError = through.destroyed ? await fed : undefined;
    if (sourceError !== undefined) throw sourceError;
    throw new EngineError(
      "invalid",
      `the archive is not whole ${compression} data: ${errorMessage(error)}`,
      {},
      { cause: error },
    );
  } finally {
    through.destroy();
    await fed;
  }
}

/** Writes a source into a stream, piece by piece. Gives the source's own failure, which ends the stream too. */
async function feed(source: AsyncIterable<Uint8Array>, to: Writable): Promise<Error | undefined> {
  const ended = Promise.withResolvers<"ended">();
  for (const event of ["close", "error"]) to.once(event, () => ended.resolve("ended"));
  try {
    for await (const chunk of source) {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      to.write(chunk, resolve);
      // a stream that ended answers no write
      if ((await Promise.race([promise, ended.promise])) === "ended" || to.destroyed) return undefined;
    }
    to.end();
    return undefined;
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error));
    to.destroy(failure);
    return failure;
  }
}

async function* byProgram(name: "xz" | "bzip2", packed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const path = [`/usr/bin/${name}`, `/bin/${name}`].find((candidate) => existsSync(candidate));
  if (!path)
    throw new EngineError(
      "not-implemented",
      `the archive is packed with ${name}, which this host does not have: install ${name === "xz" ? "xz-utils" : "bzip2"}`,
    );
  const child = spawn(path, ["-d", "-c", "-q"], { stdio: ["pipe", "pipe", "ignore"], env: {}, cwd: "/" });
  const exit = Promise.withResolvers<number>();
  child.once("error", () => exit.resolve(127)).once("close", (code) => exit.resolve(code ?? 255));
  const source = Readable.from(packed, { objectMode: false });
  let sourceError: Error | undefined;
  source.once("error", (error: Error) => void (sourceError = error));
  pipeline(source, child.stdin, () => {
    // a program that ends early says so by its status
  });
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await exit.promise;
    if (sourceError !== undefined) throw sourceError;
    if (code !== 0) throw new EngineError("invalid", `the archive is not whole ${name} data`);
  } finally {
    source.destroy();
    child.kill("SIGKILL");
  }
}

/** The first six bytes or more; fewer only at the end. */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < 6) {
    const next = await iterator.next();
    if (next.done) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return first;
}

async function* chain(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
  count: { bytes: number },
): AsyncGenerator<Uint8Array, void> {
  try {
    if (first.length > 0) yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) {
      count.bytes += next.value.length;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}
