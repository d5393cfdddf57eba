import type { Socket } from "node:net";
import { errorMessage } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";
import { Exchange } from "./exchange.ts";
import { BadRequest, bodyFraming, hasToken, parseHead, type RequestHead } from "./head.ts";
import { RequestBody } from "./request-body.ts";
import { SocketInput } from "./socket-input.ts";
import { statusText } from "./status-text.ts";

/** Request line and headers together. net/http allows 1 MiB; build arguments and registry logins fit in this. */
const maxHeadBytes = 256 * 1024;
/** A request's head has to arrive within this time (slow senders hold a connection for no longer). */
const headTimeoutMs = 20_000;
/** Clients pool idle connections for 30 s (engine-api.md 1.2): staying longer avoids resets. */
const idleTimeoutMs = 180_000;
/** An unread body of up to this is read away so that the connection can be used again (net/http parity). */
const drainBytes = 256 * 1024;
/** How long a connection with an unread body stays open for the client to read the answer. */
const lingerMs = 500;

export interface ConnectionOptions {
  readonly caller: Caller;
  readonly handle: (exchange: Exchange) => Promise<void>;
  readonly baseHeaders: () => string;
}

/** One client connection: requests one after the other, until one is hijacked or either side closes. */
export class Connection {
  readonly socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #input: SocketInput;
  #exchange: Exchange | undefined;
  #phase: "idle" | "head" | "busy" = "idle";
  #since = performance.now();
  #closing = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.#options = options;
    this.#input = new SocketInput(socket);
    // A write to a client that has gone: 'close' follows, which is what everything here listens to.
    socket.on("error", () => {});
    socket.on("close", () => this.#exchange?.close());
  }

  /** Serves until the connection is over. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#closing && (await this.#one())) {
        this.#phase = "idle";
        this.#since = performance.now();
      }
      if (this.#exchange?.hijacked !== true) this.#finish();
    } catch (error) {
      if (error instanceof BadRequest) this.#refuse(error);
      else this.socket.destroy();
    }
  }

  /** Closes it when it has been idle, or slow with a request's head, for too long. Called every few seconds. */
  sweep(now: number): void {
    if (this.#phase === "busy") return;
    if (now - this.#since < (this.#phase === "head" ? headTimeoutMs : idleTimeoutMs)) return;
    if (this.#phase === "head") this.#refuse(new BadRequest(408, "the request did not arrive in time"));
    else this.socket.destroy();
  }

  /** The server stops: an idle connection closes now, a busy one is asked to end. */
  shutdown(): void {
    this.#closing = true;
    if (this.#phase !== "busy") this.socket.destroy();
    else if (this.#exchange) {
      this.#exchange.keepAlive = false;
      this.#exchange.close();
    }
  }

  /** Serves one request; gives whether another may follow. */
  async #one(): Promise<boolean> {
    const head = await this.#head();
    if (!head) return false;
    this.#phase = "busy";
    const framing = bodyFraming(head);
    const expects = !head.http10 && hasToken(head.headers.get("expect"), "100-continue");
    const body = new RequestBody(this.#input, framing, expects ? () => this.#continue() : undefined);
    const exchange = new Exchange({
      head,
      caller: this.#options.caller,
      body,
      socket: this.socket,
      input: this.#input,
      baseHeaders: this.#options.baseHeaders,
    });
    this.#exchange = exchange;
    this.#input.onEnd(() => exchange.abort());
    await this.#options.handle(exchange);
    if (exchange.hijacked) return false;
    this.#input.onEnd(undefined);
    if (!exchange.finished) exchange.cut();
    if (!body.done && !(exchange.keepAlive && !expects && (await this.#drain(body)))) return false;
    return exchange.keepAlive && this.socket.writable;
  }

  async #head(): Promise<RequestHead | null> {
    let text = "";
    for (;;) {
      const bytes = await this.#input.take();
      if (bytes === null) return null;
      if (this.#phase === "idle") {
        this.#phase = "head";
        this.#since = performance.now();
      }
      // The blank line may be cut by the end of a piece: search again from three characters back.
      const from = Math.max(0, text.length - 3);
      const already = text.length;
      text += bytes.toString("latin1");
      if (already === 0 && text.startsWith("\r\n")) text = text.replace(/^(\r\n)+/, ""); // RFC 9112 section 2.2
      const end = text.indexOf("\r\n\r\n", from);
      if (end > maxHeadBytes || (end < 0 && text.length > maxHeadBytes))
        throw new BadRequest(431, "request headers are too large");
      if (end >= 0) {
        this.#input.giveBack(bytes.subarray(bytes.length - (text.length - end - 4)));
        return parseHead(text.slice(0, end));
      }
    }
  }

  #continue(): void {
    if (this.#exchange?.started === false) this.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
  }

  async #drain(body: RequestBody): Promise<boolean> {
    if (body.left > drainBytes && Number.isFinite(body.left)) return false;
    try {
      await body.readAll({ maxBytes: drainBytes, timeoutMs: lingerMs });
      return true;
    } catch {
      return false; // too long, too slow or malformed: the connection ends after its answer
    }
  }

  /** Closes after the answer: our side first, so that a client that is still sending can read it. */
  #finish(): void {
    this.#closing = true;
    if (this.socket.destroyed) return;
    this.socket.end();
    if (this.#input.ended) {
      this.socket.once("finish", () => this.socket.destroy());
    } else {
      void this.#discard();
    }
    const timer = setTimeout(() => this.socket.destroy(), lingerMs * 10);
    this.socket.once("close", () => clearTimeout(timer));
  }

  async #discard(): Promise<void> {
    while ((await this.#input.take()) !== null);
    this.socket.destroy();
  }

  #refuse(problem: BadRequest): void {
    const body = `${JSON.stringify({ message: errorMessage(problem) })}\n`;
    if (this.socket.writable) {
      this.socket.write(
        `HTTP/1.1 ${problem.status} ${statusText(problem.status)}\r\n${this.#options.baseHeaders()}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    }
    this.#phase = "busy";
    this.#finish();
  }
}
