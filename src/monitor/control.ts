import { createServer, type Server, type Socket } from "node:net";
import { EngineError, errorKind, errorMessage } from "../base/errors.ts";
import { LineReader } from "../base/line-reader.ts";
import type { WireEvent, Operation, Operations } from "./protocol.ts";

export type Handlers = {
  readonly [O in Operation]: (args: Operations[O]["args"]) => Promise<Operations[O]["ok"]> | Operations[O]["ok"];
};

/** The daemon's side of the monitor: JSON lines, any number of requests at a time. */
export class Control {
  readonly server: Server;
  readonly #clients = new Set<Socket>();
  readonly #handlers: Handlers;

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
    this.server = createServer((socket) => this.#serve(socket));
  }

  get connected(): boolean {
    return this.#clients.size > 0;
  }

  tell(event: WireEvent): void {
    const line = `${JSON.stringify({ event })}\n`;
    for (const client of this.#clients) client.write(line);
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    socket.on("close", () => this.#clients.delete(socket));
    socket.on("error", () => this.#clients.delete(socket));
    const lines = new LineReader();
    socket.on("data", (chunk: Buffer) => {
      for (const line of lines.push(chunk)) void this.#answer(socket, line);
    });
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    let n = -1;
    let answer: object;
    try {
      const request = JSON.parse(line) as { n: number; op: Operation; args: never };
      n = request.n;
      if (!Object.hasOwn(this.#handlers, request.op))
        throw new EngineError("invalid", `unknown operation ${request.op}`);
      answer = { n, ok: await this.#handlers[request.op](request.args) };
    } catch (error) {
      answer = { n, error: { kind: errorKind(error), message: errorMessage(error) } };
    }
    socket.write(`${JSON.stringify(answer)}\n`);
  }
}
