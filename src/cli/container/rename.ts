import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { failureText } from "../failure.ts";

export const rename = command({
  path: "container rename",
  aliases: ["rename"],
  args: "CONTAINER NEW_NAME",
  arity: { min: 2, max: 2 },
  summary: "Rename a container",
  complete: "container",
  flags: {},
  async run({ args, engine, stderr }) {
    const [id = "", name = ""] = args.map((word) => word.trim());
    if (id === "" || name === "") throw new ExitError(1, "Error: Neither old nor new names may be empty");
    try {
      await engine.call("ContainerRename", { id, name });
    } catch (error) {
      stderr.write(`${failureText(error, engine.host)}\n`);
      throw new ExitError(1, `Error: failed to rename container named ${id}`);
    }
  },
});
