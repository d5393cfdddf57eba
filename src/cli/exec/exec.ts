import { command } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { readKeyValueFile, resolveEnv } from "../values/env-file.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { pump } from "./session.ts";
import { detachKeysFlag } from "./session-flags.ts";
import { checkTerminal, followSize, rawMode } from "./terminal.ts";
import { checkEnv } from "./value-checks.ts";

export const exec = command({
  path: "container exec",
  aliases: ["exec"],
  args: "CONTAINER COMMAND [ARG...]",
  arity: { min: 2, max: Infinity },
  summary: "Execute a command in a running container",
  stopAtFirstArgument: true,
  complete: "running-container",
  flags: {
    ...detachKeysFlag,
    detach: { type: "bool", short: "d", help: "Run the command in the background" },
    env: { type: "list", short: "e", check: checkEnv, help: "Set environment variables" },
    "env-file": { type: "list", complete: "file", help: "Read environment variables from a file" },
    interactive: { type: "bool", short: "i", help: "Keep STDIN open even if not attached" },
    privileged: { type: "bool", help: "Give every privilege to the command" },
    tty: { type: "bool", short: "t", help: "Allocate a pseudo-TTY" },
    user: { type: "string", short: "u", help: 'User name or UID (format: "<name|uid>[:<group|gid>]")' },
    workdir: { type: "string", short: "w", help: "Working directory inside the container" },
  },
  async run({ flags, args, engine, env, stdin, stdout, stderr, configDir }) {
    const [container = "", ...Cmd] = args;
    const { tty, detach } = flags;
    const Env = [
      ...flags["env-file"].flatMap((path) => readKeyValueFile(path, { lookup: (name) => env[name] })),
      ...flags.env.map((entry) => resolveEnv(entry, env)),
    ];
    const refusal = checkTerminal(stdin, tty && flags.interactive && !detach);
    const keys = flags["detach-keys"] ?? readConfigFile(configDir).detachKeys;
    const detachKeys = keys === undefined || keys === "" ? {} : { DetachKeys: keys };
    const ConsoleSize = tty && !detach && stdout.isTTY ? { ConsoleSize: [stdout.rows, stdout.columns] } : {};
    // docker inspects first, so that an unknown container wins over a missing terminal; without one we save the trip
    if (refusal !== undefined) {
      await engine.call("ContainerInspect", { id: container });
      throw new ExitError(1, refusal);
    }
    const { Id: id } = await engine.call(
      "ContainerExec",
      { id: container },
      {
        AttachStdin: flags.interactive && !detach,
        AttachStdout: !detach,
        AttachStderr: !detach,
        Cmd,
        Env,
        Privileged: flags.privileged,
        Tty: tty,
        User: flags.user ?? "",
        WorkingDir: flags.workdir ?? "",
        ...detachKeys,
        ...ConsoleSize,
      },
    );
    if (detach) {
      await engine.call("ExecStart", { id }, { Detach: true, Tty: tty });
      return 0;
    }
    const connection = await engine.open(
      "ExecStart",
      { id },
      { body: { Detach: false, Tty: tty, ...ConsoleSize }, upgrade: true },
    );
    using _raw = tty && flags.interactive ? rawMode(stdin) : undefined;
    using _size = tty ? followSize(stdout, (h, w) => engine.call("ExecResize", { id, h, w })) : undefined;
    const ending = await pump({
      connection,
      multiplexed: connection.multiplexed || !tty,
      stdin: flags.interactive ? stdin : undefined,
      stdout,
      stderr: tty ? undefined : stderr,
      detachKeys: tty && flags.interactive ? parseDetachKeys(keys) : undefined,
    });
    if (ending === "detached") throw new ExitError(1, "read escape sequence");
    const { ExitCode } = await engine.call("ExecInspect", { id });
    return ExitCode ?? 0;
  },
});
