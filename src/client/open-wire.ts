import { sshWire } from "./ssh-wire.ts";
import { type Transport, Wire } from "./wire.ts";

/** TLS material as PEM; `verify: false` accepts any server. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

/** Connects to `unix://`, `tcp://` or `ssh://`. Bun's own sockets: node:net alone costs a short command 6 ms. */
export function openWire(host: string, tls: ClientTls | undefined): Promise<Wire> {
  const [scheme, address = ""] = host.split(/:\/\/(.*)/s, 2);
  switch (scheme) {
    case "unix":
      return socketWire({ unix: address });
    case "ssh":
      return Promise.resolve(sshWire(address));
    case "tcp":
    case "http":
    case "https": {
      const url = new URL(`http://${address}`);
      const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
      return socketWire({
        hostname,
        port: Number(url.port || (tls ? 2376 : 2375)),
        ...(tls && { tls: tlsOptions(tls, hostname) }),
      });
    }
    default:
      throw new Error(`unsupported protocol: ${scheme}`);
  }
}

function tlsOptions(tls: ClientTls, serverName: string) {
  return {
    serverName,
    rejectUnauthorized: tls.verify,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
  };
}

type Address = { unix: string } | { hostname: string; port: number; tls?: ReturnType<typeof tlsOptions> };

async function socketWire(address: Address): Promise<Wire> {
  const ready = Promise.withResolvers<void>();
  let wire: Wire | undefined;
  const options = {
    allowHalfOpen: true,
    socket: {
      open(socket: Bun.Socket) {
        const transport: Transport = {
          write: (bytes) => socket.write(bytes),
          shutdown: () => socket.shutdown(),
          destroy: () => socket.terminate(),
          pause: () => socket.pause(),
          resume: () => socket.resume(),
          ref: (on) => (on ? socket.ref() : socket.unref()),
        };
        wire = new Wire(transport);
        if (!("tls" in address)) ready.resolve();
      },
      handshake(_socket: Bun.Socket, success: boolean, error: Error | null) {
        if (success && error === null) ready.resolve();
        else ready.reject(error ?? new Error("the TLS handshake failed"));
      },
      data: (_socket: Bun.Socket, bytes: Uint8Array) => wire?.received(bytes),
      drain: () => wire?.drained(),
      end: () => wire?.end(),
      close: () => {
        wire?.end();
        ready.reject(new Error("the connection was closed during the TLS handshake"));
      },
      error: () => wire?.end(),
      connectError: (_socket: Bun.Socket, error: Error) => ready.reject(connectFailure(error)),
    },
  };
  // Bun tells a failed connect twice, by connectError and by Bun.connect: one of the two has no listener.
  ready.promise.catch(() => undefined);
  try {
    await ("unix" in address
      ? Bun.connect({ ...options, unix: address.unix })
      : Bun.connect({ ...options, ...address }));
  } catch (error) {
    throw connectFailure(error);
  }
  await ready.promise;
  if (!wire) throw new Error("the connection did not open");
  return wire;
}

/** Bun's error in node's terms: the code of connect(2). */
function connectFailure(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return Object.assign(new Error(error.message, { cause: error }), {
    syscall: "connect",
    code: "code" in error ? error.code : "ECONNREFUSED",
  });
}
