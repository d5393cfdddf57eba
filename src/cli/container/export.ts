import { createWriteStream, statSync } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";

export const exportCommand = command({
  path: "container export",
  aliases: ["export"],
  args: "CONTAINER",
  arity: { min: 1, max: 1 },
  summary: "Export a container's filesystem as a tar archive",
  complete: "container",
  flags: {
    output: { type: "string", short: "o", complete: "file", help: "Write to a file instead of standard output" },
  },
  async run({ flags, args, engine, stdout }) {
    const [id = ""] = args;
    const path = flags.output ?? "";
    if (path === "" && stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (path !== "") checkOutputPath(path);
    const { body } = await engine.stream("ContainerExport", { id });
    await pipeline(body, path === "" ? stdout : createWriteStream(path, { mode: 0o600 }), { end: path !== "" });
  },
});

function checkOutputPath(path: string): void {
  const folder = dirname(path);
  const fail = (why: string) => new ExitError(1, `failed to export container: invalid output path: ${why}`);
  if (statSync(folder, { throwIfNoEntry: false }) === undefined)
    throw fail(`stat ${folder}: no such file or directory`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw fail(`"${path}" must be a regular file`);
}
