import type { Socket } from "node:net";

/** Bytes kept for one connection before its socket is paused: one read of the kernel's socket buffer. */
const highWaterBytes = 256 * 1024;

/**
 * What a client sends, pulled instead of pushed: the socket is paused while nobody takes what is there. That is the
 * back-pressure of request bodies and of stdin.
 */
export class SocketInput {
  readonly #socket: Socket;
  readonly #listeners: readonly (readonly ["data" | "end" | "close", (chunk: Buffer) => void])[];
  #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #paused = false;
  #wake: (() => void) | undefined;
  #onEnd: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const data = (chunk: Buffer): void => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes >= highWaterBytes && !this.#paused) {
        this.#paused = true;
        socket.pause();
      }
      this.#notify();
    };
    const end = (): void => {
      if (this.#ended) return;
      this.#ended = true;
      this.#notify();
      this.#onEnd?.();
    };
    this.#listeners = [
      ["data", data],
      ["end", end],
      ["close", end],
    ];
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
  }

  /** Lets go of the socket: what came and was not taken is the socket's again. Nobody may be taking. */
  release(): void {
    for (const [event, listener] of this.#listeners) this.#socket.off(event, listener);
    this.#socket.pause();
    for (const chunk of this.#chunks.splice(0).reverse()) this.#socket.unshift(chunk);
    this.#bytes = 0;
  }

  /** No more bytes will come from the socket; some may still be here. */
  get ended(): boolean {
    return this.#ended;
  }

  get buffered(): number {
    return this.#bytes;
  }

  /** Called once when the client has closed its side for writing (at once when it already has). */
  onEnd(listener: (() => void) | undefined): void {
    this.#onEnd = listener;
    if (this.#ended) listener?.();
  }

  /** The next bytes, or null at the end. One taker at a time. */
  take(): Buffer | null | Promise<Buffer | null> {
    const chunk = this.#chunks.shift();
    if (chunk) {
      this.#bytes -= chunk.length;
      if (this.#paused && this.#bytes < highWaterBytes / 2) {
        this.#paused = false;
        this.#socket.resume();
      }
      return chunk;
    }
    if (this.#ended) return null;
    return new Promise((resolve) => {
      this.#wake = () => resolve(this.take());
    });
  }

  /** Puts bytes back that the taker did not need. */
  giveBack(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.unshift(chunk);
    this.#bytes += chunk.length;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
