import { chmodSync, rmSync } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";
import type { Services } from "../services.ts";
import { asRefusal, refusalAnswer } from "./answer.ts";
import { handle } from "./handle.ts";

/** A connection on which nothing moves for this long is closed: a client that stalls holds nothing for ever. */
const idleTimeoutS = 120;
const drainMs = 10_000;

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
}

export interface Listener extends AsyncDisposable {
  /** `127.0.0.1:5000` */
  readonly address: string;
}

/** Listens on TCP. Throws `unavailable` when the address is taken, `invalid` for a certificate that is none. */
export function listen(services: Services, options: ListenOptions): Listener {
  const { hostname, port, tls } = options;
  const server = serve(services, {
    hostname,
    port,
    ...(tls !== undefined && {
      tls: {
        cert: tls.cert,
        key: tls.key,
        ...(tls.clientCa !== undefined && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
      },
    }),
  });
  const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
  return { address: `${shown}:${server.port ?? port}`, [Symbol.asyncDispose]: () => drain(server) };
}

/** Listens on a socket file that root alone may use: who reaches it is an administrator. */
export function listenLocally(services: Services, path: string): AsyncDisposable {
  rmSync(path, { force: true }); // of a registry that was killed: the root's lock says that none runs
  const server = serve(services, { unix: path });
  chmodSync(path, 0o600);
  return { [Symbol.asyncDispose]: () => drain(server) };
}

type Where =
  | { readonly hostname: string; readonly port: number; readonly tls?: Bun.TLSOptions }
  | { readonly unix: string };

function serve(services: Services, where: Where): Bun.Server<undefined> {
  const common = {
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // layers have no largest size; manifests are cut where they are read
    development: false,
    error(error: Error) {
      // a file that was there when the books were asked, and not when it was opened
      services.core.log.error("a blob that the books know cannot be read", { error: errorMessage(error) });
      return refusalAnswer(asRefusal(error));
    },
  } as const;
  try {
    if ("unix" in where)
      return Bun.serve({
        ...common,
        unix: where.unix,
        fetch: (request, server) =>
          handle(services, request, { address: "", patient: () => server.timeout(request, 0) }),
      });
    return Bun.serve({
      ...common,
      ...where,
      idleTimeout: idleTimeoutS,
      reusePort: false, // a second registry on the port would take half of the requests
      fetch: (request, server) =>
        handle(services, request, {
          address: server.requestIP(request)?.address ?? "unknown",
          patient: () => server.timeout(request, 0),
        }),
    });
  } catch (cause) {
    const what = "unix" in where ? where.unix : `${where.hostname}:${where.port}`;
    throw new EngineError("unavailable", `cannot listen on ${what}: ${errorMessage(cause)}`, {}, { cause });
  }
}

/** Lets requests end that have begun; those that do not end in time are cut. */
async function drain(server: Bun.Server<undefined>): Promise<void> {
  const cut = setTimeout(() => void server.stop(true), drainMs);
  await server.stop(false);
  clearTimeout(cut);
}
