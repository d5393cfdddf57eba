import { command } from "../command.ts";
import { each } from "./each.ts";

export const restart = command({
  path: "container restart",
  aliases: ["restart"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Restart one or more containers",
  complete: "container",
  flags: {
    signal: { type: "string", short: "s", help: "Signal to send to the container" },
    timeout: { type: "int", short: "t", help: "Seconds to wait before the container is killed" },
    time: {
      type: "int",
      hidden: true,
      deprecated: "use --timeout instead",
      help: "Seconds to wait before the container is killed",
    },
  },
  async run(context) {
    const { flags, engine } = context;
    await each(context, context.args, (id) =>
      engine.call("ContainerRestart", { id, signal: flags.signal, t: flags.timeout ?? flags.time }),
    );
  },
});
