import { ApiError } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";
import { splitCommas } from "../values/csv.ts";
import { platformJson } from "./platform.ts";

export const imageRm = command({
  path: "image rm",
  aliases: ["image remove", "rmi"],
  args: "IMAGE [IMAGE...]",
  arity: { min: 1, max: Infinity },
  summary: "Remove one or more images",
  complete: "image",
  flags: {
    force: { type: "bool", short: "f", help: "Force removal of the image" },
    "no-prune": { type: "bool", help: "Do not delete untagged parents" },
    platform: {
      type: "list",
      valueName: "strings",
      help: 'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    },
  },
  async run({ flags, args, engine, stdout, stderr }) {
    const platforms = splitCommas(flags.platform).map(platformJson);
    const errors: string[] = [];
    let fatal = false;
    for (const name of args) {
      try {
        const options = {
          ...(flags.force ? { force: true } : {}),
          ...(flags["no-prune"] ? { noprune: true } : {}),
          ...(platforms.length > 0 ? { platforms } : {}),
        };
        for (const { Deleted, Untagged } of await engine.call("ImageDelete", { name, ...options }))
          stdout.write(Deleted ? `Deleted: ${Deleted}\n` : `Untagged: ${Untagged ?? ""}\n`);
      } catch (error) {
        fatal ||= !(error instanceof ApiError && error.status === 404);
        errors.push(failureText(error, engine.host));
      }
    }
    if (errors.length === 0) return;
    // With --force a missing image is only told, as in docker.
    if (fatal || !flags.force) throw new ExitError(1, errors.join("\n"));
    stderr.write(`${errors.join("\n")}\n`);
  },
});
