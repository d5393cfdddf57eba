import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { renderProgress } from "../render/progress.ts";
import { openInput } from "./import.ts";
import { platformJson } from "./platform.ts";

export const imageLoad = command({
  path: "image load",
  aliases: ["load"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Load an image from a tar archive or STDIN",
  flags: {
    input: { type: "string", short: "i", help: "Read from tar archive file, instead of STDIN", complete: "file" },
    platform: {
      type: "string",
      help: 'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
    quiet: { type: "bool", short: "q", help: "Suppress the load output" },
  },
  async run({ flags, engine, stdin, stdout }) {
    if (flags.input === undefined && stdin.isTTY)
      throw new ExitError(1, "requested load from stdin, but stdin is empty");
    const upload = flags.input === undefined ? stdin : await openInput(flags.input);
    // Without a terminal there is nobody to watch the bars.
    const quiet = flags.quiet || stdout.isTTY !== true;
    const platform = flags.platform === undefined ? {} : { platform: [platformJson(flags.platform)] };
    const { body, headers } = await engine.stream("ImageLoad", { quiet, ...platform }, { upload });
    if (headers["content-type"]?.startsWith("application/json") === true) await renderProgress(body, stdout);
    else for await (const chunk of body) stdout.write(chunk as Uint8Array);
  },
});
