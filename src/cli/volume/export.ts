import { pipeline } from "node:stream/promises";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { writeWhole } from "../image/save.ts";

export const volumeExport = command({
  path: "volume export",
  args: "VOLUME",
  arity: { min: 1, max: 1 },
  summary: "Write the content of a volume as a tar archive (to STDOUT by default)",
  complete: "volume",
  flags: {
    output: { type: "string", short: "o", complete: "file", help: "Write to a file, instead of STDOUT" },
    compress: {
      type: "string",
      default: "none",
      complete: ["none", "gzip", "zstd"],
      help: "Pack the archive: none, gzip or zstd",
    },
    snapshot: { type: "string", help: "Export this snapshot" },
  },
  async run({ flags, args: [name = ""], engine, stdout }) {
    if (flags.output === undefined && stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to write to a terminal. Use the -o flag or redirect");
    const { body } = await engine.stream("VolumeExport", {
      name,
      compression: flags.compress,
      ...(flags.snapshot !== undefined && { snapshot: flags.snapshot }),
    });
    if (flags.output === undefined) await pipeline(body, stdout, { end: false });
    else await writeWhole(body, flags.output);
  },
});
