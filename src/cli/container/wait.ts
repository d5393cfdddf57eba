import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

export const wait = command({
  path: "container wait",
  aliases: ["wait"],
  args: "CONTAINER [CONTAINER...]",
  arity: { min: 1, max: Infinity },
  summary: "Wait until containers stop, then print their exit codes",
  complete: "running-container",
  flags: {},
  async run({ args, engine, stdout, stderr }) {
    let failed = false;
    for (const id of args) {
      try {
        const { StatusCode } = await engine.call("ContainerWait", { id }); // docker prints the code beside a reason too
        stdout.write(`${StatusCode}\n`);
      } catch (error) {
        stderr.write(`${failureText(error, engine.host)}\n`);
        failed = true;
      }
    }
    if (failed) throw new ExitError(1);
  },
});
