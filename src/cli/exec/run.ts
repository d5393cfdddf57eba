import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { command, type CommandContext } from "../command.ts";
import { readConfigFile } from "../config-file.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";
import { checkPull, createContainer } from "./create-container.ts";
import { createFlags, type CreateValues } from "./create-flags.ts";
import { createRequest, type CreateBody } from "./create-request.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { forwardSignals } from "./forward-signals.ts";
import { pump } from "./session.ts";
import { detachKeysFlag, sigProxyFlag } from "./session-flags.ts";
import { startFailure } from "./start-failure.ts";
import { checkTerminal, followSize, rawMode } from "./terminal.ts";
import { waitForExit } from "./wait-for-exit.ts";

export const run = command({
  path: "container run",
  aliases: ["run"],
  args: "IMAGE [COMMAND] [ARG...]",
  arity: { min: 1, max: Infinity },
  summary: "Create and run a new container from an image",
  stopAtFirstArgument: true,
  failsAs125: true,
  complete: "image",
  flags: {
    ...createFlags,
    ...detachKeysFlag,
    ...sigProxyFlag,
    detach: { type: "bool", short: "d", help: "Run in the background and print the container's ID" },
  },
  async run(context) {
    const { flags, set, args, engine, env, stderr, stdin, stdout, configDir } = context;
    const [image = "", ...words] = args;
    checkPull(flags.pull);
    const body = createRequest({ flags, set, image, command: words, env, detached: flags.detach });
    const refusal = checkTerminal(stdin, flags.tty && body.AttachStdin === true);
    if (refusal !== undefined) throw new ExitError(1, refusal);
    if (flags.tty && stdout.isTTY && body.HostConfig) body.HostConfig.ConsoleSize = [stdout.rows, stdout.columns];
    const id = await createContainer({ engine, flags, body, stderr, configDir }).catch((error: unknown) => {
      throw error instanceof ExitError ? error : new ExitError(125, failureText(error, engine.host));
    });
    if (!body.AttachStdin && !body.AttachStdout && !body.AttachStderr) {
      await start(engine, id);
      stdout.write(`${id}\n`);
      return 0;
    }
    return attached(context, id, body);
  },
});

async function start(engine: EngineClient, id: string): Promise<void> {
  await engine.call("ContainerStart", { id }).catch((error: unknown) => {
    throw startFailure(error);
  });
}

type RunContext = CommandContext & {
  readonly flags: CreateValues & { readonly "sig-proxy": boolean; readonly "detach-keys": string | undefined };
};

/** Attaches and waits before the start, so that neither the first byte nor a quick exit is missed. */
async function attached(
  { engine, flags, stdin, stdout, stderr, configDir }: RunContext,
  id: string,
  body: CreateBody,
): Promise<number> {
  const tty = flags.tty;
  const keys = flags["detach-keys"] ?? (tty ? readConfigFile(configDir).detachKeys : undefined);
  const signals =
    flags["sig-proxy"] && !tty ? forwardSignals((signal) => engine.call("ContainerKill", { id, signal })) : undefined;
  const waiting = waitForExit(engine, id, flags.rm ? "removed" : "next-exit");
  const attaching = engine.open(
    "ContainerAttach",
    {
      id,
      stream: true,
      stdin: body.AttachStdin === true,
      stdout: body.AttachStdout === true,
      stderr: body.AttachStderr === true,
      ...(keys === undefined ? {} : { detachKeys: keys }),
    },
    { upgrade: true },
  );
  const [exit, connection] = await Promise.all([waiting, attaching]).catch((error: unknown) => {
    throw error instanceof ApiError && error.status === 400 ? new ExitError(1, error.message) : error;
  });
  using _raw = tty && body.AttachStdin === true ? rawMode(stdin) : undefined;
  const moving = pump({
    connection,
    multiplexed: connection.multiplexed || !tty,
    stdin: body.AttachStdin === true ? stdin : undefined,
    stdout: body.AttachStdout === true ? stdout : undefined,
    stderr: body.AttachStderr === true ? stderr : undefined,
    detachKeys: tty ? parseDetachKeys(keys) : undefined,
  });
  try {
    await start(engine, id);
  } catch (error) {
    // the daemon ends the stream of a container that never ran; its failure is the start's
    moving.catch(() => undefined);
    exit.status.catch(() => undefined);
    if (flags.rm) await exit.status.catch(() => undefined);
    connection.destroy();
    throw error;
  }
  using _size = tty ? followSize(stdout, (h, w) => engine.call("ContainerResize", { id, h, w })) : undefined;
  const ending = await moving;
  signals?.[Symbol.dispose]();
  return ending === "detached" ? 0 : exit.status;
}
