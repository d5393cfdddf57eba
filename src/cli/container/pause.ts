import { command } from "../command.ts";
import { each } from "./each.ts";

export const pause = command({
  path: "container pause",
  aliases: ["pause"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Pause all processes within one or more containers",
  complete: "running-container",
  flags: {},
  async run(context) {
    const { engine } = context;
    await each(context, context.args, (id) => engine.call("ContainerPause", { id }));
  },
});
