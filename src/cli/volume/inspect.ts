import { command } from "../command.ts";
import { objectFormat } from "../render/format-flag.ts";
import { inspectNamed } from "../render/inspect-named.ts";
import { typedVolume } from "../render/shapes.ts";

export const volumeInspect = command({
  path: "volume inspect",
  args: "VOLUME [VOLUME...]",
  arity: { min: 1, max: Infinity },
  summary: "Display detailed information on one or more volumes",
  complete: "volume",
  flags: { format: objectFormat },
  run: ({ flags, args, engine, stdout }) =>
    inspectNamed({
      engine,
      names: args,
      format: flags.format,
      stdout,
      find: async (name) => ({ value: await engine.call("VolumeInspect", { name }), typed: typedVolume }),
    }),
});
