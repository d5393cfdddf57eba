import { type Transport, Wire } from "./wire.ts";

const connectTimeoutSeconds = 30; // docker's

/**
 * A connection to the engine at `user@host[:port][/path/of/its/socket]`: the far host's own command line, berth or else
 * docker, joins us to its socket. ssh's own settings (keys, jumps, multiplexing) apply.
 */
export function sshWire(address: string): Wire {
  const child = Bun.spawn(["ssh", ...sshArguments(address)], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  let flowing: PromiseWithResolvers<void> | undefined;
  let full = false;
  const transport: Transport = {
    write(bytes) {
      if (full) return 0;
      void child.stdin.write(bytes);
      const flushed: unknown = child.stdin.flush();
      if (flushed instanceof Promise) {
        full = true;
        const empty = (): void => {
          full = false;
          wire.drained();
        };
        flushed.then(empty, empty); // a broken pipe: the end of its output tells
      }
      return bytes.length;
    },
    shutdown: () => void child.stdin.end(),
    destroy: () => child.kill(),
    pause: () => void (flowing ??= Promise.withResolvers()),
    resume() {
      flowing?.resolve();
      flowing = undefined;
    },
    ref: (on) => (on ? child.ref() : child.unref()),
  };
  const wire = new Wire(transport);
  void (async () => {
    let answered = false;
    try {
      for await (const bytes of child.stdout) {
        answered = true;
        wire.received(bytes);
        await flowing?.promise;
      }
    } finally {
      const status = answered ? 0 : await child.exited;
      wire.end(
        status === 0
          ? undefined
          : new Error(
              `ssh ${address} ended with status ${status}: is the address right, and is berth or docker installed there?`,
            ),
      );
    }
  })();
  return wire;
}

/** The arguments of ssh(1). Throws for what could be read as an option or as a command of the far shell. */
export function sshArguments(address: string): string[] {
  const url = new URL(`ssh://${address}`);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const user = decodeURIComponent(url.username);
  if (hostname === "" || hostname.startsWith("-") || user.startsWith("-"))
    throw new Error(`bad ssh address ${address}`);
  if (url.password !== "") throw new Error("ssh addresses hold no password: use keys, or an agent");
  const path = url.pathname === "/" ? "" : decodeURIComponent(url.pathname);
  if (!/^[\w@%+=:,./-]*$/.test(path)) throw new Error(`bad path of a socket: ${path}`);
  const words = `${path === "" ? "" : `-H unix://${path} `}system dial-stdio`;
  return [
    "-o",
    `ConnectTimeout=${connectTimeoutSeconds}`,
    "-T",
    ...(user === "" ? [] : ["-l", user]),
    ...(url.port === "" ? [] : ["-p", url.port]),
    "--",
    hostname,
    // through sh, since login shells differ
    `sh -c 'if command -v berth >/dev/null 2>&1; then exec berth ${words}; else exec docker ${words}; fi'`,
  ];
}
