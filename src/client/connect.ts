import type { Readable } from "node:stream";
import { type OperationId, operations, type QueryKind } from "../spec/engine/operations.gen.ts";
import {
  ApiError,
  type CallOptions,
  type EngineClient,
  type OpenAnswer,
  type OperationInput,
} from "./engine-client.ts";
import { type Answer, ClosedEarly, readAnswer, requestHead } from "./http-exchange.ts";
import { type ClientTls, openWire } from "./open-wire.ts";
import type { Wire } from "./wire.ts";

/** The newest API version this client speaks. It is used as it is, without asking first. */
const newestVersion = "1.51";

export interface ConnectOptions {
  readonly tls?: ClientTls | undefined;
  /** API version to speak, `1.41`; without one the newest, or the daemon's when that is older. */
  readonly version?: string | undefined;
}

/** A client of the daemon at `unix:///path`, `tcp://host:port` or `ssh://user@host`. Connects on first use. */
export function connectEngine(host: string, options: ConnectOptions = {}): EngineClient {
  return new Client(host, options);
}

/** The same for an endpoint as the command line resolves it. */
export const connect = (
  endpoint: { readonly host: string; readonly tls?: ClientTls },
  options: Omit<ConnectOptions, "tls"> = {},
): EngineClient => connectEngine(endpoint.host, { ...options, tls: endpoint.tls });

interface Sent {
  readonly wire: Wire;
  readonly answer: Answer;
  /** Stops listening for the caller's wish to stop. */
  readonly settle: () => void;
}

type SendOptions = CallOptions & { readonly body?: unknown; readonly upload?: Readable; readonly upgrade?: boolean };

class Client implements EngineClient {
  readonly host: string;
  readonly #tls: ClientTls | undefined;
  readonly #fixedVersion: boolean;
  #version: string;
  /** The daemon has answered to this version; what is sent once (an upload) waits for that. */
  #agreed = false;
  /** A connection that has served a call and waits for the next. */
  #idle: Wire | undefined;

  constructor(host: string, options: ConnectOptions) {
    this.host = host;
    this.#tls = options.tls;
    this.#fixedVersion = Boolean(options.version);
    this.#version = (options.version || newestVersion).replace(/^v/, "");
  }

  async call<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<never> {
    const { wire, answer, settle } = await this.#send(id, input, { ...options, body });
    try {
      const text = await answer.body.text();
      const json = answer.headers["content-type"]?.startsWith("application/json") === true;
      return (json ? JSON.parse(text) : text === "" ? undefined : text) as never;
    } finally {
      settle();
      this.#release(wire, answer);
    }
  }

  async stream<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    options: SendOptions = {},
  ): Promise<{ headers: Record<string, string>; body: Readable }> {
    const { Readable: NodeReadable } = await import("node:stream");
    const { wire, answer, settle } = await this.#send(id, input, options);
    const body = NodeReadable.from(answer.body.pieces(), { objectMode: false, highWaterMark: 64 * 1024 });
    body.once("close", () => {
      settle();
      this.#release(wire, answer);
    });
    return { headers: answer.headers, body };
  }

  async hijack<Id extends OperationId>(id: Id, input: OperationInput<Id>, options: SendOptions = {}) {
    const { hijackDuplex } = await import("./hijack-duplex.ts");
    const { wire, answer, settle } = await this.#send(id, input, { ...options, upgrade: true });
    const stream = hijackDuplex(wire);
    stream.once("close", settle);
    return { stream, multiplexed: answer.headers["content-type"] === "application/vnd.docker.multiplexed-stream" };
  }

  async open<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    options: SendOptions = {},
  ): Promise<OpenAnswer> {
    const { wire, answer, settle } = await this.#send(id, input, options);
    const release = (): void => {
      settle();
      this.#release(wire, answer);
    };
    return {
      headers: answer.headers,
      multiplexed: answer.headers["content-type"] === "application/vnd.docker.multiplexed-stream",
      async *pieces() {
        try {
          yield* answer.body.pieces();
        } finally {
          release();
        }
      },
      write: async (bytes) => {
        await wire.write(bytes);
      },
      end: () => wire.shutdown(),
      destroy: () => wire.destroy(),
    };
  }

  close(): void {
    this.#idle?.destroy();
    this.#idle = undefined;
  }

  /** Sends a request and reads the answer's head. Rejects with ApiError for 4xx and 5xx. */
  async #send(id: OperationId, input: object, options: SendOptions): Promise<Sent> {
    options.signal?.throwIfAborted();
    // An upload cannot be sent again in an older version of the API
    if (options.upload && !this.#fixedVersion && !this.#agreed)
      await this.call("SystemPing", {}, undefined, options.signal ? { signal: options.signal } : {});
    for (;;) {
      const version = this.#version;
      const kept = options.upgrade === true || options.upload ? undefined : this.#takeIdle();
      const wire = kept ?? (await openWire(this.host, this.#tls));
      const abort = (): void => wire.destroy();
      options.signal?.addEventListener("abort", abort, { once: true });
      const settle = (): void => options.signal?.removeEventListener("abort", abort);
      try {
        const answer = await this.#exchange(wire, id, input, options);
        if (answer.status < 400) {
          this.#agreed = true;
          return { wire, answer, settle };
        }
        const error = apiError(answer.status, await answer.body.text());
        settle();
        this.#release(wire, answer);
        if (!this.#adopt(error, version) || options.upload) throw error;
      } catch (error) {
        settle();
        if (error instanceof ApiError) throw error;
        wire.destroy();
        options.signal?.throwIfAborted();
        // The daemon closed the kept connection in the meantime: it has not seen the request
        if (!(kept && error instanceof ClosedEarly && error.silent)) throw error;
      }
    }
  }

  async #exchange(wire: Wire, id: OperationId, input: object, options: SendOptions): Promise<Answer> {
    const { method } = operations[id];
    const json = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body), "utf8");
    const head = requestHead(method, `/v${this.#version}${target(id, input, options.query)}`, {
      ...(options.upgrade === true && { Connection: "Upgrade", Upgrade: "tcp" }),
      ...(json && { "Content-Type": "application/json", "Content-Length": String(json.length) }),
      ...(options.upload && { "Content-Type": "application/x-tar", "Transfer-Encoding": "chunked" }),
      ...(!json && !options.upload && method === "POST" && { "Content-Length": "0" }),
      ...options.headers,
    });
    await wire.write(json ? Buffer.concat([head, json]) : head);
    if (!options.upload) return readAnswer(wire, method);
    // The daemon may answer before it has read everything: an error then ends the upload
    const uploaded = upload(wire, options.upload);
    const answer = readAnswer(wire, method);
    uploaded.catch(() => wire.destroy());
    const first = await answer.catch((error: unknown) => error);
    if (!isAnswer(first)) {
      await uploaded; // what broke the upload says more than the closed connection
      throw first;
    }
    return first;
  }

  /** Speaks the daemon's own version from now on where ours is too new for it. */
  #adopt(error: ApiError, used: string): boolean {
    const supported = /Maximum supported API version is (\d+\.\d+)/.exec(error.message)?.[1];
    if (this.#fixedVersion || error.status !== 400 || supported === undefined || supported === used) return false;
    this.#version = supported;
    return true;
  }

  #takeIdle(): Wire | undefined {
    const wire = this.#idle;
    this.#idle = undefined;
    if (!wire?.reusable) return undefined;
    wire.ref(true);
    return wire;
  }

  #release(wire: Wire, answer: Answer): void {
    if (
      !answer.body.reusable ||
      answer.headers["connection"]?.toLowerCase() === "close" ||
      !wire.reusable ||
      this.#idle
    ) {
      wire.destroy();
      return;
    }
    wire.ref(false);
    this.#idle = wire;
  }
}

const isAnswer = (value: unknown): value is Answer =>
  typeof value === "object" && value !== null && "status" in value && "body" in value;

async function upload(wire: Wire, source: Readable): Promise<void> {
  for await (const piece of source) {
    const bytes: Uint8Array = typeof piece === "string" ? Buffer.from(piece) : (piece as Uint8Array);
    if (bytes.length === 0) continue;
    await wire.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]));
  }
  await wire.write(Buffer.from("0\r\n\r\n"));
}

/** Path and query of an operation. Slashes and colons of names stay, as Docker's own client leaves them. */
function target(id: OperationId, input: object, more: CallOptions["query"]): string {
  const { path, query } = operations[id];
  const kinds: Readonly<Record<string, QueryKind>> = query;
  const values: Readonly<Record<string, unknown>> = { ...input };
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name])).replaceAll("%2F", "/").replaceAll("%3A", ":"),
  );
  const search = new URLSearchParams();
  for (const name of Object.keys(kinds)) {
    const value = values[name];
    if (value === undefined || more?.[name] !== undefined) continue;
    if (Array.isArray(value)) for (const item of value) search.append(name, String(item));
    else search.append(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  for (const [name, value] of Object.entries(more ?? {})) {
    for (const item of typeof value === "string" ? [value] : value) search.append(name, item);
  }
  const text = search.toString();
  return text === "" ? filled : `${filled}?${text}`;
}

function apiError(status: number, body: string): ApiError {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed && typeof parsed.message === "string")
      return new ApiError(status, parsed.message);
  } catch {
    // not JSON: the text itself is the message
  }
  return new ApiError(status, body.trim() || `the daemon answered with status ${status}`);
}
