import type { Socket } from "node:net";
import { type ClientHttp2Session, connect } from "node:http2";
import type { DescMessage, DescMethodStreaming, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { EngineError } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";
import { sessionHttp } from "./session-http.ts";

/** What a client says of itself when it opens a session (headers X-Docker-Expose-Session-*). */
export interface SessionHead {
  readonly id: string;
  readonly name: string;
  /** The same for all sessions of one client and folder: what was sent before need not be sent again. */
  readonly sharedKey: string;
  /** `/moby.filesync.v1.FileSync/DiffCopy`, ... */
  readonly methods: readonly string[];
  readonly caller: Caller;
}

/** Frames of many streams wait here when a build reads several contexts at once; 10 MB, the default, cuts them off. */
const maxSessionMemoryMb = 1000;
const maxMessageBytes = 16 * 1024 * 1024;

/** A client that answers no ping and sends nothing else for so long is gone, whatever its connection says. */
const silentMs = 60_000;

/** A client's side of a build: the daemon calls services that the client serves, over the client's connection. */
export class Session {
  readonly head: SessionHead;
  readonly #socket: Socket;
  readonly #transport: Transport;
  readonly #closed = new AbortController();

  constructor(socket: Socket, head: SessionHead, options: { silentMs?: number } = {}) {
    this.head = head;
    this.#socket = socket;
    const http = connect("http://localhost", {
      createConnection: () => socket,
      maxSessionMemory: maxSessionMemoryMb,
    });
    for (const event of ["error", "close", "goaway"]) http.on(event, () => this.close());
    // accepted sockets may stay half open; with one half no call can be answered
    for (const event of ["end", "close"]) socket.once(event, () => this.close());
    this.#watch(http, options.silentMs ?? silentMs);
    this.#transport = createTransport({
      httpClient: sessionHttp(() => {
        this.#closed.signal.throwIfAborted();
        return http;
      }, this.#closed.signal),
      baseUrl: "http://localhost",
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: Number.MAX_SAFE_INTEGER,
      readMaxBytes: maxMessageBytes,
      writeMaxBytes: maxMessageBytes,
    });
  }

  /** Fires when the client is gone. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Whether the client serves a method: `/moby.buildkit.secrets.v1.Secrets/GetSecret`. */
  has(method: string): boolean {
    return this.head.methods.some((given) => given.toLowerCase() === method.toLowerCase());
  }

  client<Service extends DescService>(service: Service): Client<Service> {
    return createClient(service, this.#transport);
  }

  /** A call of a method whose messages are given by the method itself: what `client` cannot express. */
  async *packets<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodStreaming<Input, Output>,
    input: AsyncIterable<MessageInitShape<Input>>,
    options: { headers: Headers; signal: AbortSignal },
  ): AsyncGenerator<MessageShape<Output>> {
    const answer = await this.#transport.stream(method, options.signal, undefined, options.headers, input);
    yield* answer.message;
  }

  /** A machine that went away without a word leaves a connection that looks open for ever. */
  #watch(http: ClientHttp2Session, limitMs: number): void {
    let waiting = false;
    let seenBytes = -1;
    const timer = setInterval(() => {
      const { bytesRead } = this.#socket;
      if (waiting && bytesRead === seenBytes) this.close();
      seenBytes = bytesRead;
      if (waiting || this.#closed.signal.aborted) return;
      waiting = true;
      http.ping(() => void (waiting = false));
    }, limitMs / 2);
    timer.unref();
    this.#closed.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new EngineError("cancelled", "the build's client is gone"));
    this.#socket.destroy();
  }
}
