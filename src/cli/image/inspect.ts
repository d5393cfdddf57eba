import { command } from "../command.ts";
import { objectFormat } from "../render/format-flag.ts";
import { inspectNamed } from "../render/inspect-named.ts";
import { typedImage } from "../render/shapes.ts";
import { platformJson } from "./platform.ts";

export const imageInspect = command({
  path: "image inspect",
  args: "IMAGE [IMAGE...]",
  arity: { min: 1, max: Infinity },
  summary: "Display detailed information on one or more images",
  complete: "image",
  flags: {
    format: objectFormat,
    platform: {
      type: "string",
      help: "Inspect a specific platform of the multi-platform image: 'os[/arch[/variant]]' (eg. linux/amd64)",
    },
  },
  run: ({ flags, args, engine, stdout }) => {
    const platform = flags.platform === undefined ? {} : { platform: platformJson(flags.platform) };
    return inspectNamed({
      engine,
      names: args,
      format: flags.format,
      stdout,
      find: async (name) => ({ value: await engine.call("ImageInspect", { name, ...platform }), typed: typedImage }),
    });
  },
});
