import { closeSync } from "node:fs";
import { bytesWaiting } from "../kernel/fifo.ts";

/** How long a descendant may hold a pipe open in silence after the process ended. */
const silenceMs = 50;
/** moby parity: it too gives the streams two seconds after the exit. */
const drainMs = 2_000;
/** How soon a terminal that nobody has open is looked at again. */
const reopenMs = 100;

/** Reads a FIFO or a pty until its end and hands each chunk on; what is not taken is not read. */
export class Output {
  readonly fd: number;
  /** Settles when all output was taken. */
  readonly done: Promise<void>;
  readonly #tty: boolean;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #lastReadMs = 0;
  #busy = false;
  #parked = false;
  #finished = false;

  #draining = false;
  #hurry: (() => void) | undefined;

  constructor(fd: number, options: { tty: boolean; take: (chunk: Uint8Array) => Promise<void> | void }) {
    this.fd = fd;
    this.#tty = options.tty;
    this.#reader = readerOf(fd);
    this.done = this.#pump(options.take).finally(() => {
      this.#finished = true;
    });
  }

  /**
   * The process has ended. Its pipe ends too when no descendant holds it; one that does is waited for only as long
   * as it writes, and not for ever.
   */
  async drain(): Promise<void> {
    this.#lastReadMs = performance.now();
    const deadline = this.#lastReadMs + drainMs;
    this.#draining = true;
    this.#hurry?.();
    while (!this.#finished) {
      const { promise: tick, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 10);
      await Promise.race([this.done, tick]);
      clearTimeout(timer);
      const silent = !this.#busy && performance.now() - this.#lastReadMs > silenceMs && this.#nothingWaits();
      const late = performance.now() > deadline;
      if ((silent || late) && !this.#finished) await this.#reader.cancel();
      if (late) return;
    }
  }

  /** Nothing is on its way and nothing waits: all that was written has been taken. */
  get quiet(): boolean {
    return !this.#busy && this.#nothingWaits();
  }

  /** Takes no more; true once nothing is on its way, so that all that is left is in the pipe. */
  park(): boolean {
    this.#parked = true;
    return !this.#busy;
  }

  close(): void {
    closeSync(this.fd);
  }

  async #pump(take: (chunk: Uint8Array) => Promise<void> | void): Promise<void> {
    for (;;) {
      const last = this.#draining;
      try {
        await this.#readToEnd(take);
      } catch (error) {
        // a pty says EIO while nobody has it open; anything else must not take the other containers' monitor down
        if ((error as NodeJS.ErrnoException).code !== "EIO") console.error("reading a container's output:", error);
      }
      this.#busy = false;
      if (!this.#tty || last) return;
      // a program may close its terminal and open it again, as init systems do: the end is the end of the process
      await this.#pause();
      this.#reader = readerOf(this.fd);
    }
  }

  async #readToEnd(take: (chunk: Uint8Array) => Promise<void> | void): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      this.#busy = true;
      this.#lastReadMs = performance.now();
      await take(value);
      this.#busy = false;
      if (this.#parked) await new Promise<never>(() => {}); // until the program is replaced
    }
  }

  async #pause(): Promise<void> {
    if (this.#draining) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hurry = resolve;
    const timer = setTimeout(resolve, reopenMs);
    await promise;
    clearTimeout(timer);
    this.#hurry = undefined;
  }

  #nothingWaits(): boolean {
    try {
      return bytesWaiting(this.fd) === 0;
    } catch {
      return true; // a pty without users
    }
  }
}

const readerOf = (fd: number): ReadableStreamDefaultReader<Uint8Array> =>
  Bun.file(fd).stream().getReader() as ReadableStreamDefaultReader<Uint8Array>;
