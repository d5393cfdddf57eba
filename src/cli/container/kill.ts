import { command } from "../command.ts";
import { each } from "./each.ts";

export const kill = command({
  path: "container kill",
  aliases: ["kill"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Kill one or more running containers",
  complete: "running-container",
  flags: { signal: { type: "string", short: "s", help: "Signal to send to the container" } },
  async run(context) {
    const { flags, engine } = context;
    await each(context, context.args, (id) => engine.call("ContainerKill", { id, signal: flags.signal }));
  },
});
