import { connect, type Socket } from "node:net";
import { EngineError, type ErrorKind } from "../base/errors.ts";
import { LineReader } from "../base/line-reader.ts";
import type { Operation, Operations, WireEvent } from "./protocol.ts";

/** Longer than what the monitor itself waits for in these; a monitor that is stopped or hangs answers nothing. */
const answerTimeoutsMs: Partial<Record<Operation, number>> = {
  create: 90_000,
  exec: 90_000,
  start: 60_000,
  discard: 60_000,
  adopt: 60_000,
};
const otherAnswerTimeoutMs = 15_000;

interface Call {
  readonly resolve: (ok: never) => void;
  readonly reject: (error: Error) => void;
  /** Called with the answer before any event that came behind it. */
  readonly answered: ((ok: never) => void) | undefined;
  readonly timer: Timer;
}

/** One connection of the daemon to the monitor's control socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
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
      for (const call of this.#calls.values()) {
        clearTimeout(call.timer);
        call.reject(new EngineError("unavailable", "the monitor went away"));
      }
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

  /** `answered` hears of the answer at once: a promise settles after events that came in the same packet. */
  call<O extends Operation>(
    op: O,
    args: Operations[O]["args"],
    answered?: (ok: Operations[O]["ok"]) => void,
  ): Promise<Operations[O]["ok"]> {
    if (this.closed) return Promise.reject(new EngineError("unavailable", "the monitor went away"));
    const n = ++this.#count;
    this.#socket.write(`${JSON.stringify({ n, op, args })}\n`);
    const timeoutMs = answerTimeoutsMs[op] ?? otherAnswerTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(n);
        reject(new EngineError("deadline", `the monitor did not answer "${op}" within ${timeoutMs / 1000}s`));
      }, timeoutMs);
      this.#calls.set(n, { resolve, reject, answered, timer });
    });
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
    clearTimeout(call.timer);
    if (message.error) return call.reject(new EngineError(message.error.kind, message.error.message));
    call.answered?.(message.ok as never);
    call.resolve(message.ok as never);
  }
}
