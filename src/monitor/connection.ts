import { connect, type Socket } from "node:net";
import { EngineError, type ErrorKind } from "../base/errors.ts";
import { LineReader } from "./lines.ts";
import type { Operation, Operations, WireEvent } from "./protocol.ts";

/** One connection of the daemon to the monitor's control socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #calls = new Map<number, { resolve: (ok: never) => void; reject: (error: Error) => void }>();
  #count = 0;
  closed = false;

  private constructor(socket: Socket, options: { onEvent: (event: WireEvent) => void; onClose: () => void }) {
    this.#socket = socket;
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (const line of lines.push(chunk)) this.#take(line, options.onEvent);
    });
    socket.on("error", () => {}); // a close follows
    socket.on("close", () => {
      this.closed = true;
      for (const call of this.#calls.values()) call.reject(new EngineError("unavailable", "the monitor went away"));
      this.#calls.clear();
      options.onClose();
    });
  }

  /** Rejects when nobody listens. */
  static open(
    path: string,
    options: { onEvent: (event: WireEvent) => void; onClose: () => void },
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.removeListener("error", reject);
        resolve(new Connection(socket, options));
      });
    });
  }

  call<O extends Operation>(op: O, args: Operations[O]["args"]): Promise<Operations[O]["ok"]> {
    if (this.closed) return Promise.reject(new EngineError("unavailable", "the monitor went away"));
    const n = ++this.#count;
    this.#socket.write(`${JSON.stringify({ n, op, args })}\n`);
    return new Promise((resolve, reject) => this.#calls.set(n, { resolve, reject }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(line: string, onEvent: (event: WireEvent) => void): void {
    const message = JSON.parse(line) as {
      event?: WireEvent;
      n?: number;
      ok?: never;
      error?: { kind: ErrorKind; message: string };
    };
    if (message.event) return onEvent(message.event);
    const call = this.#calls.get(message.n ?? -1);
    if (!call) return;
    this.#calls.delete(message.n ?? -1);
    if (message.error) call.reject(new EngineError(message.error.kind, message.error.message));
    else call.resolve(message.ok as never);
  }
}
