import { command } from "../command.ts";
import { checkPull, createContainer } from "./create-container.ts";
import { createFlags } from "./create-flags.ts";
import { createRequest } from "./create-request.ts";

export const create = command({
  path: "container create",
  aliases: ["create"],
  args: "IMAGE [COMMAND] [ARG...]",
  arity: { min: 1, max: Infinity },
  summary: "Create a new container",
  stopAtFirstArgument: true,
  failsAs125: true,
  complete: "image",
  flags: createFlags,
  async run({ flags, set, args, engine, env, stderr, stdout, configDir }) {
    const [image = "", ...words] = args;
    checkPull(flags.pull);
    const body = createRequest({ flags, set, image, command: words, env, detached: false });
    if (flags.tty && stdout.isTTY && body.HostConfig) body.HostConfig.ConsoleSize = [stdout.rows, stdout.columns];
    stdout.write(`${await createContainer({ engine, flags, body, stderr, configDir })}\n`);
  },
});
