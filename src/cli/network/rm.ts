import { ApiError } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

export const networkRm = command({
  path: "network rm",
  aliases: ["network remove"],
  args: "NETWORK [NETWORK...]",
  arity: { min: 1, max: Infinity },
  summary: "Remove one or more networks",
  complete: "network",
  flags: { force: { type: "bool", short: "f", help: "Do not error if the network does not exist" } },
  async run({ flags, args, engine, stdout, stderr }) {
    let status = 0;
    for (const id of args) {
      try {
        await engine.call("NetworkDelete", { id });
        stdout.write(`${id}\n`);
      } catch (error) {
        if (flags.force && error instanceof ApiError && error.status === 404) continue;
        // docker prints each failure where it happens, between the names.
        stderr.write(`${failureText(error, engine.host)}\n`);
        status = 1;
      }
    }
    if (status !== 0) throw new ExitError(status);
  },
});
