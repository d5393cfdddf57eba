import type { Socket } from "node:net";
import type { StreamRequest } from "./protocol.ts";
import type { Stdin } from "./stdin.ts";

/** What a run allows its clients. */
export interface HubOptions {
  readonly tty: boolean;
  /** Stdin ends when a client's input ends; otherwise that client alone is let go (moby parity). */
  readonly stdinOnce: boolean;
}

/**
 * The attached clients of one run, or of the next run when none is there yet. A client that does not read holds up
 * this run's output and no other's.
 */
export class Hub {
  readonly #clients = new Set<Client>();
  #stdin: Stdin | undefined;
  #options: HubOptions | undefined;
  #ended = false;

  get empty(): boolean {
    return this.#clients.size === 0 && !this.#options;
  }

  add(socket: Socket, request: StreamRequest, onGone: () => void): void {
    const client: Client = { socket, request, waiting: undefined };
    this.#clients.add(client);
    const gone = (): void => {
      if (!this.#clients.delete(client)) return;
      client.waiting?.();
      if (request.stdin && this.#options?.stdinOnce && !this.#options.tty) void this.#stdin?.end();
      onGone();
    };
    socket.on("close", gone);
    socket.on("error", gone);
    socket.on("drain", () => client.waiting?.());
    socket.on("data", (chunk: Buffer) => this.#input(client, chunk));
    socket.on("end", () => this.#inputEnded(client));
    // input waits in the socket until there is a process that takes it
    if (this.#options) this.#greet(client);
    else if (request.stdin) socket.pause();
    else socket.resume();
  }

  /** The run begins: input may flow. */
  open(options: HubOptions, stdin: Stdin | undefined): void {
    this.#options = options;
    this.#stdin = stdin;
    for (const client of this.#clients) this.#greet(client);
  }

  /** Gives a chunk to all who want it; waits for those who lag. Undefined when nobody does. */
  output(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const client of this.#clients) {
      if (!client.request[stream]) continue;
      const { socket } = client;
      let free: boolean;
      if (client.request.framing === "multiplexed") {
        socket.cork();
        socket.write(frameHeader(stream, chunk.length));
        free = socket.write(chunk);
        socket.uncork();
      } else {
        free = socket.write(chunk);
      }
      // after the end at most what the pipe held is still to come, so nobody is waited for
      if (!free && !this.#ended) (waits ??= []).push(drained(client));
    }
    return waits && Promise.all(waits).then(() => {});
  }

  /** The process has ended: a client that lags no longer holds up what is left of the output. */
  release(): void {
    this.#ended = true;
    for (const client of this.#clients) client.waiting?.();
  }

  /** All output was given: says goodbye to everyone. */
  end(): void {
    this.#ended = true;
    for (const client of [...this.#clients]) {
      this.#clients.delete(client);
      client.waiting?.();
      dismiss(client.socket);
    }
  }

  #greet(client: Client): void {
    client.socket.resume();
  }

  #input(client: Client, chunk: Uint8Array): void {
    if (!client.request.stdin || !this.#stdin || this.#stdin.closed) return;
    client.socket.pause();
    void this.#stdin.write(chunk).then(() => client.socket.resume());
  }

  #inputEnded(client: Client): void {
    if (!client.request.stdin || !this.#options || !this.#stdin) return;
    if (this.#options.stdinOnce && !this.#options.tty) {
      void this.#stdin.end();
      return;
    }
    // moby parity: without stdinOnce the end of a client's input is the end of that client
    this.#clients.delete(client);
    client.waiting?.();
    dismiss(client.socket);
  }
}

/** A client has so long to read what was sent and to close its side. */
const goodbyeMs = 60_000;

function dismiss(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), goodbyeMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
  socket.resume(); // input that still comes is nobody's
  socket.end();
}

interface Client {
  readonly socket: Socket;
  readonly request: StreamRequest;
  /** Ends the wait for this client. */
  waiting: (() => void) | undefined;
}

function drained(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.waiting = () => {
      client.waiting = undefined;
      resolve();
    };
  });
}

/** Docker's stream header: stream, three zeros, length in big endian. */
function frameHeader(stream: "stdout" | "stderr", length: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream === "stdout" ? 1 : 2;
  header.writeUInt32BE(length, 4);
  return header;
}
