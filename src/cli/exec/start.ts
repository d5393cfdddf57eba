import { command, type CommandContext } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { forwardSignals } from "./forward-signals.ts";
import { pump } from "./session.ts";
import { detachKeysFlag } from "./session-flags.ts";
import { checkTerminal, followSize, rawMode } from "./terminal.ts";
import { waitForExit } from "./wait-for-exit.ts";

export const start = command({
  path: "container start",
  aliases: ["start"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Start one or more stopped containers",
  complete: "stopped-container",
  flags: {
    ...detachKeysFlag,
    attach: { type: "bool", short: "a", help: "Attach STDOUT and STDERR and pass on signals" },
    interactive: { type: "bool", short: "i", help: "Attach the container's STDIN" },
  },
  async run(context) {
    const { flags, args, engine, stdout, stderr } = context;
    if (flags.attach || flags.interactive) {
      const [only, second] = args;
      if (only === undefined || second !== undefined)
        throw new ExitError(1, "you cannot start and attach multiple containers at once");
      return attached({ ...pick(context), ...flags }, only);
    }
    const failed: string[] = [];
    for (const id of args) {
      try {
        await engine.call("ContainerStart", { id });
        stdout.write(`${id}\n`);
      } catch (error) {
        stderr.write(`${failureText(error, engine.host)}\n`);
        failed.push(id);
      }
    }
    if (failed.length > 0) throw new ExitError(1, `Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
});

const pick = ({ engine, stdin, stdout, stderr, configDir }: CommandContext) => ({
  engine,
  stdin,
  stdout,
  stderr,
  configDir,
});

type Attaching = ReturnType<typeof pick> & {
  readonly interactive: boolean;
  readonly "detach-keys": string | undefined;
};

async function attached(
  { engine, stdin, stdout, stderr, configDir, interactive, "detach-keys": given }: Attaching,
  name: string,
): Promise<number> {
  const { Id, Config, HostConfig } = await engine.call("ContainerInspect", { id: name });
  const id = Id ?? name;
  const tty = Config?.Tty === true;
  const withStdin = interactive && Config?.OpenStdin === true;
  const refusal = checkTerminal(stdin, tty && withStdin);
  if (refusal !== undefined) throw new ExitError(1, refusal);
  const keys = given ?? readConfigFile(configDir).detachKeys;
  using _signals = tty ? undefined : forwardSignals((signal) => engine.call("ContainerKill", { id, signal }));
  const [exit, connection] = await Promise.all([
    waitForExit(engine, id, HostConfig?.AutoRemove === true ? "removed" : "next-exit"),
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
  const moving = pump({
    connection,
    multiplexed: connection.multiplexed || !tty,
    stdin: withStdin ? stdin : undefined,
    stdout,
    stderr: tty ? undefined : stderr,
    detachKeys: tty && withStdin ? parseDetachKeys(keys) : undefined,
  });
  try {
    await engine.call("ContainerStart", { id });
  } catch (error) {
    // the start's failure is the one to tell
    moving.catch(() => undefined);
    connection.destroy();
    throw error;
  }
  using _size = tty ? followSize(stdout, (h, w) => engine.call("ContainerResize", { id, h, w })) : undefined;
  const ending = await moving;
  if (ending === "detached") throw new ExitError(1, "read escape sequence");
  return exit.status;
}
