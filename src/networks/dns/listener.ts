import type { Socket, TCPSocketListener } from "bun";
import { NetlinkSocket } from "../../kernel/netlink/netlink-socket.ts";
import { destination, equals, meta, payload } from "../../kernel/nft/expressions.ts";
import { type TableSpec, replaceTable } from "../../kernel/nft/table.ts";
import { tcpBytesAtMost } from "./answer.ts";
import { framed, type Inside } from "./exchange.ts";
import { resolverAddress } from "./protocol.ts";

// The real port is another one than 53, so that a container may run a name server of its own.
const resolverBytes = Uint8Array.of(127, 0, 0, 11);
const connectionsAtMost = 64;
const idleMs = 10_000;
const portTries = 20;

/** Handles one packet; `reply` may be called later, or never. `packet` is valid only during the call. */
export type Handle = (packet: Uint8Array, transport: "udp" | "tcp", reply: (answer: Uint8Array) => void) => void;

interface Connection {
  received: Buffer;
  timer: Timer;
  /** Not yet taken by the client. */
  unsent: Buffer;
}

/** The sockets of one container's namespace. */
export class Listener implements Disposable {
  readonly #udp: Bun.udp.Socket<"buffer">;
  readonly #tcp: TCPSocketListener<Connection>;
  readonly #connections = new Set<Socket<Connection>>();

  private constructor(udp: Bun.udp.Socket<"buffer">, tcp: (owner: () => Listener) => TCPSocketListener<Connection>) {
    this.#udp = udp;
    this.#tcp = tcp(() => this);
  }

  /** Opens both sockets at one port, and lets 127.0.0.11:53 lead there. Throws when the namespace is gone. */
  static async open(inside: Inside, handle: Handle): Promise<Listener> {
    for (let attempt = 0; ; attempt += 1) {
      const udp = await inside(() =>
        Bun.udpSocket({
          hostname: resolverAddress,
          port: 0,
          socket: {
            data(socket, packet, port, address) {
              handle(packet, "udp", (answer) => {
                if (!socket.closed) socket.send(answer, port, address);
              });
            },
            // Somebody has gone before the answer came.
            error() {},
          },
        }),
      );
      try {
        const listener = new Listener(udp, (owner) =>
          inside(() => listenTcp(udp.port, handle, (): Set<Socket<Connection>> => owner().#connections)),
        );
        try {
          inside(() => redirect(udp.port));
        } catch (error) {
          listener[Symbol.dispose]();
          throw error;
        }
        return listener;
      } catch (error) {
        if (!udp.closed) udp.close();
        // The other protocol's port is another program's.
        const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
        if (!taken || attempt >= portTries) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    if (!this.#udp.closed) this.#udp.close();
    this.#tcp.stop(true);
    for (const socket of this.#connections) socket.terminate();
  }
}

function listenTcp(
  port: number,
  handle: Handle,
  connections: () => Set<Socket<Connection>>,
): TCPSocketListener<Connection> {
  const touch = (socket: Socket<Connection>): void => {
    clearTimeout(socket.data.timer);
    socket.data.timer = setTimeout(() => socket.terminate(), idleMs);
  };
  const flush = (socket: Socket<Connection>): void => {
    const { unsent } = socket.data;
    if (unsent.length === 0) return;
    const written = Math.max(0, socket.write(unsent));
    socket.data.unsent = unsent.subarray(written);
  };
  return Bun.listen<Connection>({
    hostname: resolverAddress,
    port,
    socket: {
      open(socket) {
        socket.data = { received: Buffer.alloc(0), unsent: Buffer.alloc(0), timer: setTimeout(() => {}, 0) };
        if (connections().size >= connectionsAtMost) {
          socket.terminate();
          return;
        }
        connections().add(socket);
        touch(socket);
      },
      data(socket, chunk) {
        touch(socket);
        const state = socket.data;
        state.received = Buffer.concat([state.received, chunk]);
        while (state.received.length >= 2 && state.received.length >= 2 + state.received.readUInt16BE(0)) {
          const end = 2 + state.received.readUInt16BE(0);
          const packet = state.received.subarray(2, end);
          state.received = state.received.subarray(end);
          handle(packet, "tcp", (answer) => {
            if (!connections().has(socket)) return;
            // A client that asks and never reads is let go.
            if (state.unsent.length > 4 * tcpBytesAtMost) {
              socket.terminate();
              return;
            }
            state.unsent = Buffer.concat([state.unsent, framed(answer)]);
            flush(socket);
          });
        }
      },
      drain: flush,
      close(socket) {
        clearTimeout(socket.data.timer);
        connections().delete(socket);
      },
      error(socket) {
        socket.terminate();
      },
    },
  });
}

/** In the thread's namespace: 127.0.0.11:53 of both protocols is answered at the port. */
function redirect(port: number): void {
  using socket = NetlinkSocket.open("netfilter");
  replaceTable(socket, redirection(port));
}

const redirection = (port: number): TableSpec => ({
  family: "ip",
  name: "berth_dns",
  sets: [],
  chains: [
    {
      name: "output",
      type: "nat",
      hook: "output",
      priority: -100,
      policy: "accept",
      rules: [6, 17].map((protocol) => [
        payload("network", 16, 4),
        equals(resolverBytes),
        meta("l4proto"),
        equals(Uint8Array.of(protocol)),
        payload("transport", 2, 2),
        equals(Uint8Array.of(0, 53)),
        ...destination(resolverBytes, Uint8Array.of(port >> 8, port & 0xff)),
      ]),
    },
  ],
});
