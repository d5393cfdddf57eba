import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type { EngineClient } from "../../client/engine-client.ts";
import type { BuildRunRequest } from "../../spec/engine/types.gen.ts";
import { ExitError } from "../exit-error.ts";

const maxTextBytes = 2 * 1024 * 1024;

/** A context on standard input: a tar, plain or packed, or one Dockerfile alone. */
export async function readStdinContext(
  engine: EngineClient,
  stdin: NodeJS.ReadStream,
  options: { signal: AbortSignal; fileName: string },
): Promise<Pick<BuildRunRequest, "Dockerfile" | "FileName" | "Remote">> {
  const iterator = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 512 && !ended) {
    const next = await iterator.next();
    if (next.done) ended = true;
    else head = Buffer.concat([head, Buffer.from(next.value)]);
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield Buffer.from(next.value);
  };
  if (head.length === 0) throw new ExitError(1, "the build context on standard input is empty");
  if (isArchive(head)) {
    const id = `tar-${randomBytes(16).toString("hex")}`;
    const { body } = await engine.stream(
      "BuildContextFiles",
      { id },
      { upload: Readable.from(all()), signal: options.signal },
    );
    body.resume();
    return { Dockerfile: "", FileName: options.fileName, Remote: `berth-context:${id}` };
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of all()) {
    bytes += part.length;
    if (bytes > maxTextBytes) throw new ExitError(1, "the Dockerfile on standard input is longer than 2 MiB");
    parts.push(part);
  }
  return { Dockerfile: Buffer.concat(parts).toString("utf8"), FileName: "Dockerfile" };
}

/** Packed by its first bytes, or a tar header with its magic. */
function isArchive(head: Buffer): boolean {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, index) => head[index] === byte);
  return (
    starts(0x1f, 0x8b) ||
    starts(0x42, 0x5a, 0x68) ||
    starts(0xfd, 0x37, 0x7a, 0x58, 0x5a) ||
    starts(0x28, 0xb5, 0x2f, 0xfd) ||
    (head.length >= 263 && head.toString("latin1", 257, 262) === "ustar")
  );
}
