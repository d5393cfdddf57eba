/** Bytes kept of what the daemon sends before reading from it pauses. */
const highWaterBytes = 1024 * 1024;

/** The parts of a connection that differ by kind: socket or child process. */
export interface Transport {
  /** Takes what it can now and gives how many bytes that were, negative when the connection is gone. */
  write(bytes: Uint8Array): number;
  /** Stops sending; the daemon can still send. */
  shutdown(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
  /** Keeps the process alive, or not: an idle connection must not. */
  ref(on: boolean): void;
}

/** One connection to the daemon: what comes is pulled, what goes waits for room. */
export class Wire {
  readonly #transport: Transport;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #paused = false;
  #ended = false;
  #wake: (() => void) | undefined;
  #room: (() => void) | undefined;
  #unsent: Uint8Array | undefined;
  #shutAfter = false;
  #reason: Error | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Neither side has closed and nothing is waiting to be read: fit for another request. */
  get reusable(): boolean {
    return !this.#ended && this.#bytes === 0 && this.#unsent === undefined;
  }

  received(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= highWaterBytes && !this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
    this.#notify();
  }

  /** Why the connection ended, where that is known. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** The daemon will send no more. */
  end(reason?: Error): void {
    this.#reason ??= reason;
    this.#ended = true;
    this.#notify();
    this.#room?.();
  }

  /** The connection can take more again. */
  drained(): void {
    if (this.#unsent) {
      const sent = this.#transport.write(this.#unsent);
      if (sent >= 0 && sent < this.#unsent.length) {
        this.#unsent = this.#unsent.subarray(sent);
        return;
      }
      this.#unsent = undefined;
    }
    if (this.#shutAfter) this.#transport.shutdown();
    this.#room?.();
  }

  /** The next bytes, or null at the end. One taker at a time. */
  take(): Promise<Uint8Array | null> | Uint8Array | null {
    const chunk = this.#chunks.shift();
    if (chunk) {
      this.#bytes -= chunk.length;
      if (this.#paused && this.#bytes < highWaterBytes / 2) {
        this.#paused = false;
        this.#transport.resume();
      }
      return chunk;
    }
    if (this.#ended) return null;
    return new Promise((resolve) => {
      this.#wake = () => resolve(this.take());
    });
  }

  giveBack(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.unshift(bytes);
    this.#bytes += bytes.length;
  }

  /** Sends; waits while the daemon does not read. Bytes for a closed connection are dropped: its end tells. */
  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ended && this.#unsent === undefined) return;
    if (this.#unsent) {
      this.#unsent = concat(this.#unsent, bytes);
      return this.#waitForRoom();
    }
    const sent = this.#transport.write(bytes);
    if (sent < 0 || sent >= bytes.length) return;
    this.#unsent = bytes.slice(sent);
    return this.#waitForRoom();
  }

  shutdown(): void {
    if (this.#unsent) this.#shutAfter = true;
    else this.#transport.shutdown();
  }

  destroy(): void {
    this.#transport.destroy();
    this.end();
  }

  ref(on: boolean): void {
    this.#transport.ref(on);
  }

  #waitForRoom(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#room;
      this.#room = () => {
        this.#room = undefined;
        before?.();
        resolve();
      };
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
