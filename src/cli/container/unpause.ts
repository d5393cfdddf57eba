import { command } from "../command.ts";
import { each } from "./each.ts";

export const unpause = command({
  path: "container unpause",
  aliases: ["unpause"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Unpause all processes within one or more containers",
  complete: "running-container",
  flags: {},
  async run(context) {
    const { engine } = context;
    await each(context, context.args, (id) => engine.call("ContainerUnpause", { id }));
  },
});
