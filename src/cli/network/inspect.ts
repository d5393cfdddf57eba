import { command } from "../command.ts";
import { objectFormat } from "../render/format-flag.ts";
import { inspectNamed } from "../render/inspect-named.ts";
import { typedNetwork } from "../render/shapes.ts";

export const networkInspect = command({
  path: "network inspect",
  args: "NETWORK [NETWORK...]",
  arity: { min: 1, max: Infinity },
  summary: "Display detailed information on one or more networks",
  complete: "network",
  flags: {
    format: objectFormat,
    verbose: { type: "bool", short: "v", help: "Verbose output for diagnostics" },
  },
  run: ({ flags, args, engine, stdout }) =>
    inspectNamed({
      engine,
      names: args,
      format: flags.format,
      stdout,
      find: async (id) => ({
        value: await engine.call("NetworkInspect", { id, ...(flags.verbose ? { verbose: true } : {}) }),
        typed: typedNetwork,
      }),
    }),
});
