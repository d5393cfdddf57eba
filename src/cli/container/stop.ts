import { command } from "../command.ts";
import { each } from "./each.ts";

export const stop = command({
  path: "container stop",
  aliases: ["stop"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Stop one or more running containers",
  complete: "running-container",
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
      engine.call("ContainerStop", { id, signal: flags.signal, t: flags.timeout ?? flags.time }),
    );
  },
});
