import type { Socket } from "node:net";
import type { Caller } from "../spec/caller.ts";
import type { ApiDeps } from "./deps.ts";
import { dispatch, type Log } from "./dispatch.ts";
import { Connection } from "./http/connection.ts";
import { listen, type Listener, type Listening } from "./http/listen.ts";
import { maxApiVersion } from "./version.ts";

/** How often idle and slow connections are looked for. */
const sweepMs = 5000;
/** What a stop leaves running requests to end. */
const graceMs = 5000;

export interface ApiServer {
  /** `unix:///path`, `tcp://host:port` with the ports that were given. */
  readonly addresses: string[];
  /** Connections that are open now. */
  readonly connections: number;
  /** Stops accepting, asks running requests to end, then cuts what is left. */
  close(): Promise<void>;
}

/** Serves the Engine API on every listener. Throws when one of them cannot be opened; then none stays open. */
export async function serveApi(options: {
  deps: ApiDeps;
  listeners: readonly Listener[];
  log: Log;
}): Promise<ApiServer> {
  const { deps, log } = options;
  const connections = new Set<Connection>();
  const baseHeaders = headerText(deps.system.version);
  const onConnection = (socket: Socket, caller: Caller): void => {
    const connection = new Connection(socket, {
      caller,
      baseHeaders,
      handle: (exchange) => dispatch(exchange, deps, log),
    });
    connections.add(connection);
    socket.once("close", () => connections.delete(connection));
    void connection.run();
  };
  await using undo = new AsyncDisposableStack();
  const listening: Listening[] = [];
  for (const listener of options.listeners) {
    const open = await listen(listener, { peer: deps.peer, onConnection });
    undo.defer(() => open.close());
    listening.push(open);
  }
  const sweeper = setInterval(() => {
    const now = performance.now();
    for (const connection of connections) connection.sweep(now);
  }, sweepMs);
  undo.move();
  return {
    addresses: listening.map(({ address }) => address),
    get connections() {
      return connections.size;
    },
    async close() {
      clearInterval(sweeper);
      const closed = Promise.all(listening.map((open) => open.close()));
      for (const connection of connections) connection.shutdown();
      const deadline = setTimeout(() => {
        for (const connection of connections) connection.socket.destroy();
      }, graceMs);
      await closed; // resolves when the last connection is gone
      clearTimeout(deadline);
    },
  };
}

/** Headers of every answer; the date is made once a second. */
function headerText(version: string): () => string {
  let second = 0;
  let text = "";
  return () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      second = now;
      text = `Api-Version: ${maxApiVersion}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/${version} (linux)\r\nDate: ${new Date(now * 1000).toUTCString()}\r\n`;
    }
    return text;
  };
}
