import type { Socket } from "node:net";
import type { Caller } from "../../spec/caller.ts";
import { hasToken, type RequestHead } from "./head.ts";
import type { RequestBody } from "./request-body.ts";
import type { SocketInput } from "./socket-input.ts";
import { statusText } from "./status-text.ts";

export type Headers = Readonly<Record<string, string>>;

/** One request and its answer on a connection. */
export class Exchange {
  readonly head: RequestHead;
  readonly caller: Caller;
  readonly body: RequestBody;
  readonly #socket: Socket;
  readonly #input: SocketInput;
  readonly #baseHeaders: () => string;
  readonly #abort = new AbortController();
  readonly #closed = new AbortController();
  #state: "waiting" | "streaming" | "answered" | "hijacked" = "waiting";
  #chunked = false;
  /** The connection can take another request after this one. */
  keepAlive: boolean;

  constructor(options: {
    head: RequestHead;
    caller: Caller;
    body: RequestBody;
    socket: Socket;
    input: SocketInput;
    baseHeaders: () => string;
  }) {
    this.head = options.head;
    this.caller = options.caller;
    this.body = options.body;
    this.#socket = options.socket;
    this.#input = options.input;
    this.#baseHeaders = options.baseHeaders;
    const connection = options.head.headers.get("connection");
    this.keepAlive = options.head.http10 ? hasToken(connection, "keep-alive") : !hasToken(connection, "close");
  }

  /** Fires when the client is gone; that is already when it stops sending (net/http parity). */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Fires only when the connection is closed: whoever is attached may stop sending and still listen. */
  get closedSignal(): AbortSignal {
    return this.#closed.signal;
  }

  get started(): boolean {
    return this.#state !== "waiting";
  }

  get hijacked(): boolean {
    return this.#state === "hijacked";
  }

  get finished(): boolean {
    return this.#state === "answered" || this.#state === "hijacked";
  }

  abort(): void {
    this.#abort.abort();
  }

  close(): void {
    this.#abort.abort();
    this.#closed.abort();
  }

  /** Answers in one piece. */
  send(status: number, headers: Headers, body: string | Uint8Array = ""): void {
    if (this.#state !== "waiting") throw new Error("the answer has already begun");
    this.#state = "answered";
    const bare = status === 204 || status === 304;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const head = this.#headText(status, headers, bare ? "" : `Content-Length: ${length}\r\n`);
    if (bare || this.head.method === "HEAD" || length === 0) this.#socket.write(head, "utf8");
    else if (typeof body === "string") this.#socket.write(head + body, "utf8");
    else this.#socket.write(Buffer.concat([Buffer.from(head, "utf8"), body]));
  }

  /** Sends the head now; the body follows by write() and end(). */
  begin(status: number, headers: Headers): void {
    if (this.#state !== "waiting") throw new Error("the answer has already begun");
    this.#state = "streaming";
    const lengthKnown = "Content-Length" in headers;
    this.#chunked = !this.head.http10 && !lengthKnown;
    if (this.head.http10 && !lengthKnown) this.keepAlive = false;
    this.#socket.write(this.#headText(status, headers, this.#chunked ? "Transfer-Encoding: chunked\r\n" : ""), "utf8");
    if (this.head.method === "HEAD") this.#chunked = false;
  }

  /** Writes a piece of the body; waits while the client does not read. Gives false when the client is gone. */
  write(piece: string | Uint8Array): boolean | Promise<boolean> {
    if (this.#state !== "streaming" || !this.#socket.writable) return false;
    if (piece.length === 0 || this.head.method === "HEAD") return true;
    return writeTo(this.#socket, this.#chunked ? chunk(piece) : piece);
  }

  /** Ends a streamed body. */
  end(): void {
    if (this.#state !== "streaming") return;
    this.#state = "answered";
    if (this.#chunked && this.#socket.writable) this.#socket.write("0\r\n\r\n");
  }

  /** Cuts a streamed body short, so that the client sees that it is not whole. */
  cut(): void {
    this.#state = "answered";
    this.keepAlive = false;
    this.#socket.destroy();
  }

  /**
   * Takes the connection over: writes this head as it is, then the bytes belong to the caller. `input` gives what the
   * client sends after its request's body.
   */
  hijack(head: string): { socket: Socket; input: SocketInput } {
    if (this.#state !== "waiting") throw new Error("the answer has already begun");
    this.#state = "hijacked";
    this.keepAlive = false;
    this.#input.onEnd(undefined);
    this.#socket.write(head, "latin1");
    return { socket: this.#socket, input: this.#input };
  }

  /** As hijack, for a protocol that wants the socket itself. It is paused, and may hold bytes that came early. */
  takeSocket(head: string): Socket {
    const { socket, input } = this.hijack(head);
    input.release();
    return socket;
  }

  /** The headers every answer has, for heads written by hand. */
  get baseHeaders(): string {
    return this.#baseHeaders();
  }

  #headText(status: number, headers: Headers, framing: string): string {
    let text = `HTTP/1.1 ${status} ${statusText(status)}\r\n${this.#baseHeaders()}`;
    for (const [name, value] of Object.entries(headers)) text += `${name}: ${value.replace(/[\r\n\0]/g, " ")}\r\n`;
    return `${text}${framing}${this.keepAlive ? "" : "Connection: close\r\n"}\r\n`;
  }
}

/** Frames a piece as one chunk of a chunked body. */
function chunk(piece: string | Uint8Array): string | Uint8Array {
  if (typeof piece === "string") return `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`;
  const size = `${piece.length.toString(16)}\r\n`;
  const framed = Buffer.allocUnsafe(size.length + piece.length + 2);
  framed.write(size, 0, "latin1");
  framed.set(piece, size.length);
  framed.write("\r\n", size.length + piece.length, "latin1");
  return framed;
}

/** Writes and waits for room. Gives false when the other end is gone. */
export function writeTo(socket: Socket, piece: string | Uint8Array): boolean | Promise<boolean> {
  if (!socket.writable) return false;
  if (socket.write(piece)) return true;
  return new Promise((resolve) => {
    const settle = (): void => {
      socket.off("drain", settle);
      socket.off("close", settle);
      resolve(socket.writable);
    };
    socket.on("drain", settle);
    socket.on("close", settle);
  });
}
