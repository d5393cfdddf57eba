import { EngineError, errorMessage } from "../base/errors.ts";
import { type OperationId, operations, type OperationTypes } from "../spec/engine/operations.gen.ts";
import { lift, lower } from "./compat.ts";
import type { ApiDeps } from "./deps.ts";
import { errorStatus, sendError } from "./error-reply.ts";
import type { Exchange } from "./http/exchange.ts";
import { match } from "./match.ts";
import { readQuery } from "./query.ts";
import { jsonText, Reply, type RouteContext, Shaped } from "./route.ts";
import { routes } from "./routes.ts";
import { validateBody } from "./validate.ts";
import { checkVersion, splitVersion } from "./version.ts";

/** Larger JSON than any request has (a create with a 1 MiB seccomp profile fits). */
const maxJsonBytes = 4 * 1024 * 1024;
const jsonTimeoutMs = 60_000;

/** These read their body themselves, or take none that is JSON. */
const rawBodies: ReadonlySet<OperationId> = new Set<OperationId>([
  "PutContainerArchive",
  "ImageBuild",
  "BuildContextPlan",
  "BuildContextFiles",
  "ImageCreate",
  "ImageLoad",
  "PluginCreate",
  "VolumeImport",
  "ManifestPut",
]);

export type Log = (
  level: "error" | "info" | "debug",
  message: string,
  detail?: Readonly<Record<string, unknown>>,
) => void;

/** Serves one request: version, route, parameters, body, handler, answer. Never rejects. */
export async function dispatch(exchange: Exchange, deps: ApiDeps, log: Log): Promise<void> {
  const { target, method } = exchange.head;
  const mark = target.indexOf("?");
  const { minor, given, path } = splitVersion(mark < 0 ? target : target.slice(0, mark));
  // httputils: what comes before the version was understood, or under 1.24, is plain text
  const asText = minor < 24;
  try {
    if (method === "OPTIONS") {
      exchange.send(200, {});
      return;
    }
    checkVersion(minor, given);
    const found = match(method, path);
    if (!found) throw new EngineError("not-found", "page not found");
    const search = new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1));
    await run(found.id, { exchange, deps, params: found.params, search, minor });
  } catch (error) {
    fail(exchange, error, asText, log);
  }
}

type Parts = {
  exchange: Exchange;
  deps: ApiDeps;
  params: Readonly<Record<string, string>>;
  search: URLSearchParams;
  minor: number;
};

async function run<Id extends OperationId>(id: Id, { exchange, deps, params, search, minor }: Parts): Promise<void> {
  const body = await readBody(id, exchange, search, minor);
  const context: RouteContext<Id> = {
    deps,
    caller: exchange.caller,
    params: params as OperationTypes[Id]["params"],
    query: readQuery(id, search),
    body,
    search,
    minor,
    signal: exchange.signal,
    exchange,
  };
  const reply = await routes[id].handle(context);
  if (reply instanceof Reply) {
    await reply.write(exchange);
    return;
  }
  const { status } = operations[id];
  if (reply === undefined) exchange.send(status, {});
  else
    exchange.send(
      status,
      { "Content-Type": "application/json" },
      jsonText(lower(id, minor, reply instanceof Shaped ? reply.value : reply)),
    );
}

async function readBody<Id extends OperationId>(
  id: Id,
  exchange: Exchange,
  search: URLSearchParams,
  minor: number,
): Promise<OperationTypes[Id]["body"]> {
  const none = undefined as OperationTypes[Id]["body"];
  if (rawBodies.has(id) || (exchange.body.done && !operations[id].body)) return none;
  const type = (exchange.head.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const bytes = await exchange.body.readAll({ maxBytes: maxJsonBytes, timeoutMs: jsonTimeoutMs });
  if (type === "application/x-www-form-urlencoded" && !operations[id].body) {
    for (const [name, value] of new URLSearchParams(bytes.toString("utf8"))) search.append(name, value);
    return none;
  }
  if (!operations[id].body) {
    // moby parity: containers.start refused a HostConfig from API 1.24 on; tiny bodies ("{}", "null") pass
    if (id === "ContainerStart" && bytes.length > 7)
      throw new EngineError(
        "invalid",
        "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
      );
    return none;
  }
  if (bytes.length === 0) {
    if (id === "ContainerCreate") throw new EngineError("invalid", "invalid JSON: got EOF while reading request body");
    return {} as OperationTypes[Id]["body"];
  }
  // moby parity, and why: a page in a browser can send any other type, or none, to a daemon that listens on TCP
  if (type !== "application/json") {
    throw new EngineError("invalid", `unsupported Content-Type header (${type}): must be 'application/json'`);
  }
  const value = parseJson(bytes.toString("utf8"));
  if (value === null && id === "ContainerCreate")
    throw new EngineError("invalid", "config cannot be empty in order to create a container");
  return validateBody(id, lift(id, minor, value ?? {}));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (text.trim() === "") throw new EngineError("invalid", "invalid JSON: got EOF while reading request body");
    throw new EngineError("invalid", `invalid JSON: ${errorMessage(error)}`);
  }
}

function fail(exchange: Exchange, error: unknown, asText: boolean, log: Log): void {
  const status = errorStatus(error);
  if (status >= 500) {
    log(
      "error",
      `${exchange.head.method} ${exchange.head.target} failed: ${errorMessage(error)}`,
      error instanceof Error ? { stack: error.stack } : {},
    );
  }
  if (exchange.started) {
    if (!exchange.hijacked) exchange.cut();
    return;
  }
  if (!exchange.signal.aborted || status !== 499) sendError(exchange, error, asText);
  else exchange.cut();
}
