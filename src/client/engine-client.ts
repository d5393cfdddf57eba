import type { Duplex, Readable } from "node:stream";
import type { OperationId, OperationTypes } from "../spec/engine/operations.gen.ts";

/** What an operation takes: path and query parameters in one object, the body apart. */
export type OperationInput<Id extends OperationId> = OperationTypes[Id]["params"] & OperationTypes[Id]["query"];

/** A typed client of the Engine API: the command line, tests and (later) web and cluster speak through it. */
export interface EngineClient {
  /** Where it talks to: `unix:///var/run/berth.sock`, `tcp://...`. */
  readonly host: string;
  /** One JSON request. Rejects with ApiError (status, message) for 4xx and 5xx. */
  call<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    body?: OperationTypes[Id]["body"],
    options?: CallOptions,
  ): Promise<OperationTypes[Id]["reply"]>;
  /** The body as it comes: logs, events, stats, archives, progress. Rejects before the first byte as call does. */
  stream<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    options?: CallOptions & { body?: unknown; upload?: Readable },
  ): Promise<{ headers: Record<string, string>; body: Readable }>;
  /** attach and exec start: the connection itself after the upgrade. `end()` half-closes. */
  hijack<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    options?: CallOptions & { body?: unknown },
  ): Promise<{ stream: Duplex; multiplexed: boolean }>;
  /** As stream and (with upgrade) hijack, without node's streams: loading those costs a short command 3 ms. */
  open<Id extends OperationId>(
    id: Id,
    input: OperationInput<Id>,
    options?: CallOptions & { body?: unknown; upgrade?: boolean },
  ): Promise<OpenAnswer>;
  close(): void;
}

/** An answer whose head is here; after an upgrade the connection itself. */
export interface OpenAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly multiplexed: boolean;
  /** What the daemon sends, until its end. Reading waits for the consumer. */
  pieces(): AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-closes: the daemon reads end of file, its output goes on. */
  end(): void;
  destroy(): void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** Query fields as they go on the wire, beside those of the input: `since` with nanoseconds, several `changes`. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
}

/** An answer of 4xx or 5xx. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}
