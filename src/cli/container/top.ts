import { command } from "../command.ts";
import { alignTabs } from "../render/tabwriter.ts";

export const top = command({
  path: "container top",
  aliases: ["top"],
  args: "CONTAINER [ps OPTIONS]",
  arity: { min: 1, max: Infinity },
  summary: "Display the running processes of a container",
  stopAtFirstArgument: true,
  complete: "running-container",
  flags: {},
  async run({ args, engine, stdout }) {
    const [id = "", ...options] = args;
    const { Titles, Processes } = await engine.call("ContainerTop", {
      id,
      ...(options.length > 0 ? { ps_args: options.join(" ") } : {}),
    });
    const rows = [Titles ?? [], ...(Processes ?? [])].map((cells) => `${cells.join("\t")}\n`);
    stdout.write(alignTabs(rows.join(""), { minWidth: 20, padding: 3 }));
  },
});
