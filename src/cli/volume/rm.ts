import { command } from "../command.ts";
import { eachArgument } from "../render/each-argument.ts";

export const volumeRm = command({
  path: "volume rm",
  aliases: ["volume remove"],
  args: "VOLUME [VOLUME...]",
  arity: { min: 1, max: Infinity },
  summary: "Remove one or more volumes",
  complete: "volume",
  flags: { force: { type: "bool", short: "f", help: "Force the removal of one or more volumes" } },
  run: ({ flags, args, engine, stdout }) =>
    eachArgument(engine, args, async (name) => {
      await engine.call("VolumeDelete", { name, ...(flags.force ? { force: true } : {}) });
      stdout.write(`${name}\n`);
    }),
});
