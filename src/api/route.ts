import type { Caller } from "../spec/caller.ts";
import type { OperationId, OperationTypes } from "../spec/engine/operations.gen.ts";
import type { ApiDeps } from "./deps.ts";
import type { Exchange, Headers } from "./http/exchange.ts";
import type { ApiMinor } from "./version.ts";

/** What a caller must be allowed to do; who may do what to whose objects is decided elsewhere, by these names. */
export type Permission =
  | "system:ping"
  | "system:read"
  | "system:events"
  | "system:login"
  | `container:${"list" | "read" | "create" | "start" | "stop" | "change" | "remove" | "attach" | "exec" | "logs" | "copy-in" | "copy-out" | "commit" | "prune"}`
  | `image:${"list" | "read" | "pull" | "push" | "tag" | "remove" | "load" | "save" | "build" | "prune" | "search"}`
  | `volume:${"list" | "read" | "create" | "change" | "remove" | "prune"}`
  | `network:${"list" | "read" | "create" | "connect" | "remove" | "prune"}`
  | `plugin:${"list" | "read" | "change"}`
  | `swarm:${"read" | "change"}`;

/** What a handler gets. */
export interface RouteContext<Id extends OperationId> {
  readonly deps: ApiDeps;
  readonly caller: Caller;
  readonly params: OperationTypes[Id]["params"];
  readonly query: OperationTypes[Id]["query"];
  /** Checked against the operation's schema; null-free only where the schema says so. */
  readonly body: OperationTypes[Id]["body"];
  /** Query and form fields as they were sent. */
  readonly search: URLSearchParams;
  readonly minor: ApiMinor;
  /** Fires when the client is gone. */
  readonly signal: AbortSignal;
  readonly exchange: Exchange;
}

export interface Route<Id extends OperationId> {
  readonly can: Permission;
  /** Gives the body of the answer; a `Reply` where the answer is more than JSON with the operation's status. */
  handle(context: RouteContext<Id>): Promise<Answer<Id>> | Answer<Id>;
}

type Answer<Id extends OperationId> = OperationTypes[Id]["reply"] | Shaped | Reply;

/** One entry per operation: leaving one out does not compile. */
export type Routes = { readonly [Id in OperationId]: Route<Id> };

/** An answer that writes itself. */
export class Reply {
  readonly write: (exchange: Exchange) => void | Promise<void>;

  constructor(write: (exchange: Exchange) => void | Promise<void>) {
    this.write = write;
  }
}

/**
 * JSON in the shape of the newest version spoken here where that differs from the generated types, which are of 1.56.
 * Older versions' changes apply to it as to any reply.
 */
export class Shaped {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}
export const shaped = (value: unknown): Shaped => new Shaped(value);

export const textReply = (status: number, text: string, headers: Headers = {}): Reply =>
  new Reply((exchange) => exchange.send(status, { "Content-Type": "text/plain; charset=utf-8", ...headers }, text));

/** A body that comes in pieces; it ends early, visibly, when the source fails after the first byte. */
export function streamReply(source: AsyncIterable<string | Uint8Array>, headers: Headers): Reply {
  return new Reply(async (exchange) => {
    exchange.begin(200, headers);
    for await (const piece of source) {
      const wrote = exchange.write(piece);
      if (!(wrote === true || (await wrote))) break;
    }
    exchange.end();
  });
}

/** JSON as Go's encoder ends it. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value)}\n`;
