import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { openFailure } from "../values/env-file.ts";
import { checkLabel } from "../values/label.ts";

export const volumeImport = command({
  path: "volume import",
  args: "VOLUME [FILE|-]",
  arity: { min: 1, max: 2 },
  summary: "Fill a volume from a tar archive (from STDIN by default), made if there is none",
  complete: "volume",
  flags: {
    label: { type: "list", check: checkLabel, help: "Set metadata for a new volume" },
    opt: {
      type: "list",
      short: "o",
      valueName: "map",
      defaultText: "map[]",
      help: "Options of a new volume (size=10G)",
    },
    replace: { type: "bool", help: "Replace the content that the volume has" },
  },
  async run({ flags, args: [name = "", file = "-"], engine, stdin, stdout }) {
    if (file === "-" && stdin.isTTY) throw new ExitError(1, "an archive is not read from a terminal: give a file");
    if (file !== "-")
      await stat(file).catch((error: unknown) => {
        throw new ExitError(1, `open ${file}: ${openFailure(error)}`);
      });
    const { body } = await engine.stream(
      "VolumeImport",
      {
        name,
        ...(flags.replace && { replace: true }),
        ...(flags.label.length > 0 && { label: flags.label }),
        ...(flags.opt.length > 0 && { opt: flags.opt }),
      },
      { upload: file === "-" ? stdin : createReadStream(file) },
    );
    body.resume();
    stdout.write(`${name}\n`);
  },
});
