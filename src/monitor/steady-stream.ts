import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A stream of a run that goes on over the death or upgrade of the monitor. When its connection ends, `again` says
 * whether the run does too (undefined), or gives a new connection to it.
 */
export class SteadyStream extends Duplex {
  #socket: Socket;
  #inputEnded = false;
  /** Settles while the connection is being replaced. */
  #replacing: Promise<void> | undefined;
  readonly #again: () => Promise<Socket | undefined>;

  constructor(socket: Socket, again: () => Promise<Socket | undefined>) {
    super({ allowHalfOpen: true, highWaterMark: 256 * 1024 });
    this.#again = again;
    this.#socket = socket;
    this.#use(socket);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#replacing) {
      void this.#replacing.then(() => this._write(chunk, _encoding, done));
      return;
    }
    if (this.#socket.destroyed || this.#socket.write(chunk)) return done();
    const socket = this.#socket;
    const go = (): void => {
      socket.removeListener("drain", go);
      socket.removeListener("close", go);
      done();
    };
    socket.on("drain", go);
    socket.on("close", go); // a run that is over takes no input; one that goes on lost what was on its way
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inputEnded = true;
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #use(socket: Socket): void {
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      socket.destroy();
      if (!this.destroyed) this.#replacing = this.#replace();
    };
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", end);
    socket.on("close", end);
    if (this.#inputEnded) socket.end();
  }

  async #replace(): Promise<void> {
    let socket: Socket | undefined;
    try {
      socket = await this.#again();
    } catch {
      // nobody can say: to the reader it is the end
    }
    this.#replacing = undefined;
    if (this.destroyed) {
      socket?.destroy();
    } else if (socket) {
      this.#socket = socket;
      this.#use(socket);
    } else {
      this.push(null);
    }
  }
}
