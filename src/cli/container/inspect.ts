import { command } from "../command.ts";
import { objectFormat } from "../render/format-flag.ts";
import { inspectNamed } from "../render/inspect-named.ts";
import { typedContainer } from "../render/shapes.ts";

export const inspect = command({
  path: "container inspect",
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Show everything about one or more containers",
  complete: "container",
  flags: {
    format: objectFormat,
    size: { type: "bool", short: "s", help: "Show sizes of files too" },
  },
  run: ({ flags, args, engine, stdout }) =>
    inspectNamed({
      engine,
      names: args,
      format: flags.format,
      stdout,
      find: async (id) => ({
        value: await engine.call("ContainerInspect", { id, ...(flags.size ? { size: true } : {}) }),
        typed: typedContainer,
      }),
    }),
});
