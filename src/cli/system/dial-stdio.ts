import { connect, type Socket } from "node:net";
import { finished } from "node:stream/promises";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";

/** The far end of `ssh://`: another client speaks to the daemon through this program's stdin and stdout. */
export const dialStdio = command({
  path: "system dial-stdio",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
  hidden: true,
  flags: {},
  async run({ engine, stdin, stdout }) {
    const socket = open(engine.host);
    stdin.pipe(socket);
    socket.pipe(stdout, { end: false });
    await finished(socket, { writable: false });
    stdin.unpipe(socket);
    stdin.destroy();
    socket.destroy();
  },
});

function open(host: string): Socket {
  // allowHalfOpen: the end of stdin is told to the daemon while its answer still comes.
  if (host.startsWith("unix://")) return connect({ path: host.slice("unix://".length), allowHalfOpen: true });
  const address = /^tcp:\/\/(.+):(\d+)\/?$/.exec(host);
  if (address === null) throw new ExitError(1, `dial-stdio does not know how to reach ${host}`);
  return connect({ host: (address[1] ?? "").replace(/^\[|\]$/g, ""), port: Number(address[2]), allowHalfOpen: true });
}
