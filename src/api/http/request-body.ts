import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import type { SocketInput } from "./socket-input.ts";

/** A chunk-size line with its extensions; longer ones are abuse. */
const chunkLineBytes = 1024;

/** The body of one request: read whole, as a stream, or dropped. */
export class RequestBody {
  readonly #input: SocketInput;
  readonly #chunked: boolean;
  /** Bytes left of the body, or of the current chunk. */
  #left: number;
  #done: boolean;
  #firstChunk = true;
  #onFirstRead: (() => void) | undefined;

  constructor(input: SocketInput, framing: number | "chunked", onFirstRead?: () => void) {
    this.#input = input;
    this.#chunked = framing === "chunked";
    this.#left = framing === "chunked" ? 0 : framing;
    this.#done = framing === 0;
    this.#onFirstRead = onFirstRead;
  }

  /** All of it was read (an absent body is). */
  get done(): boolean {
    return this.#done;
  }

  /** Bytes still to come where that is known. */
  get left(): number {
    return this.#chunked && !this.#done ? Number.POSITIVE_INFINITY : this.#left;
  }

  /** The next piece, null at the end. Throws when the client goes away before it. */
  async next(): Promise<Buffer | null> {
    if (this.#done) return null;
    this.#onFirstRead?.();
    this.#onFirstRead = undefined;
    if (this.#left === 0) {
      await this.#nextChunk();
      if (this.#done) return null;
    }
    const bytes = await this.#input.take();
    if (bytes === null) throw new EngineError("invalid", "the request body ended early");
    const piece = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    if (piece.length < bytes.length) this.#input.giveBack(bytes.subarray(piece.length));
    this.#left -= piece.length;
    if (this.#left === 0 && !this.#chunked) this.#done = true;
    return piece;
  }

  /** The whole body. Throws `invalid` over the limit or when it does not come in time. */
  async readAll(limits: { maxBytes: number; timeoutMs: number }): Promise<Buffer> {
    if (this.#done) return Buffer.alloc(0);
    if (!this.#chunked && this.#left > limits.maxBytes) throw tooLarge(limits.maxBytes);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new EngineError("invalid", "the request body did not arrive in time")),
      limits.timeoutMs,
    );
    try {
      return await Promise.race([this.#collect(limits.maxBytes), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The body as a stream with back-pressure. Errors when the client goes away before its end. */
  stream(): Readable {
    return Readable.from(this.#pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    for (let piece = await this.next(); piece !== null; piece = await this.next()) yield piece;
  }

  async #collect(maxBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of this.#pieces()) {
      bytes += piece.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      pieces.push(piece);
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }

  // RFC 9112 section 7.1: chunk = size [extension] CRLF data CRLF; last-chunk, trailers, CRLF
  async #nextChunk(): Promise<void> {
    if (!this.#firstChunk && (await this.#line()) !== "") throw new EngineError("invalid", "malformed chunked body");
    this.#firstChunk = false;
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(;.*)?$/.exec(await this.#line())?.[1];
    if (size === undefined) throw new EngineError("invalid", "malformed chunked body");
    this.#left = Number.parseInt(size, 16);
    if (this.#left > 0) return;
    for (let trailers = 0; (await this.#line()) !== ""; trailers++) {
      if (trailers > 16) throw new EngineError("invalid", "too many trailers in the request");
    }
    this.#done = true;
  }

  async #line(): Promise<string> {
    let text = "";
    for (;;) {
      const bytes = await this.#input.take();
      if (bytes === null) throw new EngineError("invalid", "the request body ended early");
      const end = bytes.indexOf(10);
      text += bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
      if (text.length > chunkLineBytes) throw new EngineError("invalid", "malformed chunked body");
      if (end < 0) continue;
      this.#input.giveBack(bytes.subarray(end + 1));
      // a bare LF ends a line for some and not for others, which is how requests are smuggled (CVE-2025-22871)
      if (text.indexOf("\r") !== text.length - 1) throw new EngineError("invalid", "malformed chunked body");
      return text.slice(0, -1);
    }
  }
}

const tooLarge = (maxBytes: number): EngineError =>
  new EngineError("invalid", `the request body is larger than ${maxBytes} bytes`);
