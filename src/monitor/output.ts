import { closeSync } from "node:fs";
import { bytesWaiting } from "../kernel/fifo.ts";

/** How long a descendant may hold a pipe open in silence after the process ended. */
const silenceMs = 50;

/** Reads a FIFO or a pty until its end and hands each chunk on; what is not taken is not read. */
export class Output {
  readonly fd: number;
  /** Settles when all output was taken. */
  readonly done: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #lastReadMs = 0;
  #busy = false;
  #parked = false;
  #finished = false;

  constructor(fd: number, take: (chunk: Uint8Array) => Promise<void> | void) {
    this.fd = fd;
    this.#reader = Bun.file(fd).stream().getReader() as ReadableStreamDefaultReader<Uint8Array>;
    this.done = this.#pump(take).finally(() => {
      this.#finished = true;
    });
  }

  /**
   * The process has ended. Its pipe ends too when no descendant holds it; one that does is waited for only as long
   * as it writes.
   */
  async drain(): Promise<void> {
    this.#lastReadMs = performance.now();
    while (!this.#finished) {
      const { promise: tick, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 10);
      await Promise.race([this.done, tick]);
      clearTimeout(timer);
      const silent = !this.#busy && performance.now() - this.#lastReadMs > silenceMs && this.#nothingWaits();
      if (silent && !this.#finished) await this.#reader.cancel();
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
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) return;
        this.#busy = true;
        this.#lastReadMs = performance.now();
        await take(value);
        this.#busy = false;
        if (this.#parked) await new Promise<never>(() => {}); // until the program is replaced
      }
    } catch (error) {
      // a pty says EIO when its last user has closed it
      if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    } finally {
      this.#busy = false;
    }
  }

  #nothingWaits(): boolean {
    try {
      return bytesWaiting(this.fd) === 0;
    } catch {
      return true; // a pty without users
    }
  }
}
