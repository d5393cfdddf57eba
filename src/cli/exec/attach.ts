import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { forwardSignals } from "./forward-signals.ts";
import { pump } from "./session.ts";
import { detachKeysFlag, sigProxyFlag } from "./session-flags.ts";
import { checkTerminal, followSize, rawMode } from "./terminal.ts";
import { waitForExit } from "./wait-for-exit.ts";

export const attach = command({
  path: "container attach",
  aliases: ["attach"],
  args: "CONTAINER",
  arity: { min: 1, max: 1 },
  summary: "Attach standard input, output and error to a running container",
  complete: "running-container",
  flags: {
    ...detachKeysFlag,
    ...sigProxyFlag,
    "no-stdin": { type: "bool", help: "Do not attach STDIN" },
  },
  async run({ flags, args, engine, stdin, stdout, stderr, configDir }) {
    const [name = ""] = args;
    const { Id, State, Config } = await engine.call("ContainerInspect", { id: name });
    const id = Id ?? name;
    if (State?.Running !== true) throw new ExitError(1, "You cannot attach to a stopped container, start it first");
    if (State.Paused === true) throw new ExitError(1, "You cannot attach to a paused container, unpause it first");
    if (State.Restarting === true)
      throw new ExitError(1, "You cannot attach to a restarting container, wait until it is running");
    const tty = Config?.Tty === true;
    const withStdin = !flags["no-stdin"] && Config?.OpenStdin === true;
    const refusal = checkTerminal(stdin, tty && withStdin);
    if (refusal !== undefined) throw new ExitError(1, refusal);
    const keys = flags["detach-keys"] ?? readConfigFile(configDir).detachKeys;
    using _signals =
      flags["sig-proxy"] && !tty ? forwardSignals((signal) => engine.call("ContainerKill", { id, signal })) : undefined;
    const [exit, connection] = await Promise.all([
      waitForExit(engine, id, "not-running"),
      engine.open(
        "ContainerAttach",
        {
          id,
          stream: true,
          stdin: withStdin,
          stdout: true,
          stderr: true,
          ...(keys === undefined ? {} : { detachKeys: keys }),
        },
        { upgrade: true },
      ),
    ]);
    using _raw = tty && withStdin ? rawMode(stdin) : undefined;
    using _size = tty ? followSize(stdout, (h, w) => engine.call("ContainerResize", { id, h, w })) : undefined;
    const ending = await pump({
      connection,
      multiplexed: connection.multiplexed || !tty,
      stdin: withStdin ? stdin : undefined,
      stdout,
      stderr: tty ? undefined : stderr,
      detachKeys: tty && withStdin ? parseDetachKeys(keys) : undefined,
    });
    if (ending === "detached") throw new ExitError(1, "read escape sequence");
    return exit.status;
  },
});
