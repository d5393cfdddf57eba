import { connect, createServer, type Server, type Socket } from "node:net";
import type { PublishedPort } from "../network.ts";
import type { PortHold } from "../sandbox/commands.ts";

/**
 * [::1] cannot be translated in the kernel: it drops packets for ::1 that come from a bridge, and with br_netfilter
 * the answer is such a packet already when it enters. So TCP on [::1] is passed on by the daemon; its listener also
 * keeps the IPv6 side of the port from other programs. All other addresses never get here: the firewall translates
 * them before. While the daemon is away [::1] is refused at once, and clients go on to 127.0.0.1.
 */
export class LoopbackRelays {
  readonly #servers = new Map<string, Server>();
  readonly #sockets = new Set<Socket>();

  /** Listens for each port that needs it, all or none. Throws RelayTakenError. */
  async open(ports: readonly PublishedPort[], containerIpv4: string): Promise<void> {
    const opened: PublishedPort[] = [];
    try {
      for (const port of relayed(ports)) {
        this.#servers.set(keyOf(port), await this.#listen(port, containerIpv4));
        opened.push(port);
      }
    } catch (error) {
      this.close(opened);
      throw error;
    }
  }

  close(ports: readonly PublishedPort[]): void {
    for (const port of ports) {
      this.#servers.get(keyOf(port))?.close();
      this.#servers.delete(keyOf(port));
    }
  }

  closeAll(): void {
    for (const server of this.#servers.values()) server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#servers.clear();
  }

  #listen(port: PublishedPort, containerIpv4: string): Promise<Server> {
    const { promise, resolve, reject } = Promise.withResolvers<Server>();
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const inside = connect({ host: containerIpv4, port: port.containerPort, allowHalfOpen: true });
      for (const socket of [client, inside]) {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
      }
      // One side broken: the other learns it by a reset or the end of its stream.
      client.on("error", () => inside.destroy());
      inside.on("error", () => client.destroy());
      client.on("close", () => inside.destroy());
      inside.on("close", () => client.destroySoon());
      client.pipe(inside).pipe(client);
    });
    server.once("error", (error: NodeJS.ErrnoException) => reject(new RelayTakenError(port, error.code ?? "", error)));
    server.listen({ host: port.hostIp, port: port.hostPort, ipv6Only: true }, () => {
      server.on("error", () => {}); // accept failed (no descriptors): that client goes without, the next may succeed
      resolve(server);
    });
    server.unref();
    return promise;
  }
}

export class RelayTakenError extends Error {
  readonly hold: PortHold;
  readonly code: string;

  constructor(port: PublishedPort, code: string, cause: Error) {
    super(cause.message, { cause });
    this.hold = { protocol: port.protocol, hostIp: port.hostIp, port: port.hostPort };
    this.code = code;
  }
}

/** Beyond this a container's ports are only held: ranges of thousands are not for use by [::1]. */
const relaysPerContainer = 256;

/** The ports that a relay listens on. The same answer for the same ports, so that closing finds what opening made. */
export function relayed(ports: readonly PublishedPort[]): PublishedPort[] {
  const wanted = ports.filter(
    ({ protocol, hostIp, hostPort }) => protocol === "tcp" && hostPort !== 0 && (hostIp === "::" || hostIp === "::1"),
  );
  return wanted.length > relaysPerContainer ? [] : wanted;
}

const keyOf = ({ hostIp, hostPort }: PublishedPort): string => `${hostIp} ${hostPort}`;
