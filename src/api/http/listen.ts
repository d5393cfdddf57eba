import { chmodSync, chownSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import net, { type Server, type Socket } from "node:net";
import tls from "node:tls";
import { EngineError } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";

export type Listener =
  | { readonly kind: "unix"; readonly path: string; readonly gid?: number; readonly mode?: number }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsFiles };

/** PEM texts. `verify` asks for a client certificate signed by `ca` and refuses others. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert: string;
  readonly key: string;
  readonly verify: boolean;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ListenOptions {
  readonly peer: { readonly credentials: (fd: number) => PeerCredentials; readonly raiseBacklog: (fd: number) => void };
  readonly onConnection: (socket: Socket, caller: Caller) => void;
}

export interface Listening {
  /** `unix:///path` or `tcp://host:port` with the port that was given. */
  readonly address: string;
  /** Stops accepting; a unix socket's file goes away. */
  close(): Promise<void>;
}

/** Accepts connections and says who each one is. Half-open: a client that stops sending can still be written to. */
export async function listen(listener: Listener, options: ListenOptions): Promise<Listening> {
  if (listener.kind === "unix") return listenUnix(listener, options);
  const server = listener.tls
    ? tlsServer(listener.tls, options.onConnection)
    : net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        options.onConnection(socket, { via: "tcp" }),
      );
  await listening(
    server,
    () => server.listen({ host: listener.host, port: listener.port }),
    `tcp://${listener.host}:${listener.port}`,
  );
  options.peer.raiseBacklog(fdOf(server));
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : listener.port;
  const host = listener.host.includes(":") ? `[${listener.host}]` : listener.host;
  return { address: `tcp://${host}:${port}`, close: () => closed(server) };
}

async function listenUnix(listener: Extract<Listener, { kind: "unix" }>, options: ListenOptions): Promise<Listening> {
  const { path } = listener;
  // A socket file that nobody serves any more is left by a killed daemon; anything else there is not ours to remove.
  if (existsSync(path)) {
    if (!lstatSync(path).isSocket())
      throw new EngineError("conflict", `cannot listen on ${path}: the file exists and is not a socket`);
    if (await answers(path)) throw new EngineError("conflict", `cannot listen on ${path}: another daemon serves it`);
    unlinkSync(path);
  }
  const server = net.createServer({ allowHalfOpen: true }, (socket) =>
    options.onConnection(socket, unixCaller(socket, options.peer.credentials)),
  );
  // Nobody may connect between bind and chmod.
  const umask = process.umask(0o177);
  try {
    await listening(server, () => server.listen(path), `unix://${path}`);
  } finally {
    process.umask(umask);
  }
  options.peer.raiseBacklog(fdOf(server));
  if (listener.gid !== undefined) chownSync(path, 0, listener.gid);
  chmodSync(path, listener.mode ?? 0o660);
  return {
    address: `unix://${path}`,
    close: () => closed(server),
  };
}

function unixCaller(socket: Socket, peerOf: (fd: number) => PeerCredentials): Caller {
  return { via: "unix", ...peerOf(fdOf(socket)) };
}

/** The descriptor of a socket or a listening server; node has no public way to it. */
export function fdOf(socket: Socket | Server): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = handle !== null && typeof handle === "object" ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" ? fd : -1;
}

function tlsServer(files: TlsFiles, onConnection: (socket: Socket, caller: Caller) => void): Server {
  const server = tls.createServer(
    {
      cert: files.cert,
      key: files.key,
      ...(files.ca === undefined ? {} : { ca: files.ca }),
      requestCert: files.verify,
      rejectUnauthorized: files.verify,
      allowHalfOpen: true,
      minVersion: "TLSv1.2",
      handshakeTimeout: 20_000,
    },
    (socket) => {
      const subject: unknown = files.verify ? socket.getPeerCertificate()?.subject?.CN : undefined;
      onConnection(socket, typeof subject === "string" ? { via: "tls", subject } : { via: "tls" });
    },
  );
  // A client that breaks off its handshake, or shows no certificate: its connection is closed, nothing else to do.
  server.on("tlsClientError", () => {});
  return server;
}

function listening(server: Server, start: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new EngineError("internal", `cannot listen on ${what}: ${error.message}`, {}, { cause: error })),
    );
    server.once("listening", () => {
      // Failures to accept (no descriptors left) must not end the daemon; the client sees its connection closed.
      server.on("error", () => {});
      resolve();
    });
    start();
  });
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));

/** Whether somebody accepts connections at a socket file. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(path);
    const settle = (alive: boolean): void => {
      probe.destroy();
      resolve(alive);
    };
    probe.once("connect", () => settle(true));
    probe.once("error", () => settle(false));
    probe.setTimeout(2000, () => settle(true));
  });
}
