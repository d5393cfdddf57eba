import { closeSync } from "node:fs";

/** The monitor's end of a process's stdin: a FIFO's write end, or the pty. Writes are in the order of their calls. */
export class Stdin {
  readonly fd: number;
  readonly #ownsFd: boolean;
  #sink: Bun.FileSink | undefined;
  #tail: Promise<void> = Promise.resolve();
  closed = false;

  readonly #onClosed: (() => void) | undefined;

  constructor(fd: number, options: { ownsFd: boolean; onClosed?: () => void }) {
    this.fd = fd;
    this.#onClosed = options.onClosed;
    this.#ownsFd = options.ownsFd;
  }

  /** Resolves when the pipe has taken it: not reading on is the back-pressure. A reader that is gone ends it. */
  write(chunk: Uint8Array): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      if (this.closed) return;
      try {
        // flushed each time: writing to a full pipe would try the system call over and over
        this.#sink ??= Bun.file(this.fd).writer();
        void this.#sink.write(chunk);
        await this.#sink.flush();
      } catch {
        this.close(); // EPIPE: the process closed its stdin, the rest is nobody's
      }
    });
    return this.#tail;
  }

  /** Settles when all that was written so far is in the pipe. */
  get settled(): Promise<void> {
    return this.#tail;
  }

  /** End of input after what was written before. */
  end(): Promise<void> {
    this.#tail = this.#tail.then(() => this.close());
    return this.#tail;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    // the writer has a copy of the descriptor and closes that one alone
    void Promise.resolve(this.#sink?.end()).catch(() => {});
    if (!this.#ownsFd) return;
    closeSync(this.fd);
    this.#onClosed?.();
  }
}
