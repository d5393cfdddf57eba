import type { LogStream, LogWriter } from "./driver.ts";
import { LineSplitter, type Piece } from "./line-splitter.ts";
import type { RotatingFile } from "./rotating-file.ts";

/** Turns pieces of one stream into the file's records. */
export type Encode = (pieces: readonly Piece[], stream: LogStream, timeNs: bigint) => Buffer;

/** A container's output, cut into lines and appended to a rotating file, one write at a time. */
export class StreamWriter implements LogWriter {
  readonly #file: RotatingFile;
  readonly #encode: Encode;
  readonly #splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  #tail: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  /** Chunks over this are dropped instead of waited for: `mode=non-blocking`. */
  readonly #dropAboveBytes: number;
  #lastTimeNs = 0n;

  constructor(file: RotatingFile, encode: Encode, mode: { blocking: boolean; bufferBytes: number }) {
    this.#file = file;
    this.#encode = encode;
    this.#dropAboveBytes = mode.blocking ? Number.POSITIVE_INFINITY : mode.bufferBytes;
  }

  get lostBytes(): number {
    return this.#file.lostBytes;
  }

  write(stream: LogStream, chunk: Uint8Array, timeNs: bigint): Promise<void> {
    this.#lastTimeNs = timeNs;
    if (this.#waitingBytes + chunk.length > this.#dropAboveBytes) {
      this.#file.lostBytes += chunk.length;
      return Promise.resolve();
    }
    const pieces = this.#splitters[stream].push(chunk);
    if (pieces.length === 0) return this.#tail;
    const done = this.#append(this.#encode(pieces, stream, timeNs), chunk.length);
    return this.#dropAboveBytes === Number.POSITIVE_INFINITY ? done : Promise.resolve();
  }

  async close(): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      const pieces = this.#splitters[stream].flush();
      if (pieces.length > 0) void this.#append(this.#encode(pieces, stream, this.#lastTimeNs), 0);
    }
    await this.#tail;
    await this.#file.close();
  }

  /** The file takes one batch at a time, and both streams share it. */
  #append(batch: Buffer, bytes: number): Promise<void> {
    this.#waitingBytes += bytes;
    this.#tail = this.#tail
      .then(() => this.#file.append(batch))
      .finally(() => {
        this.#waitingBytes -= bytes;
      });
    return this.#tail;
  }
}
