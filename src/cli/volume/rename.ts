import { command } from "../command.ts";

export const volumeRename = command({
  path: "volume rename",
  aliases: ["volume mv"],
  args: "VOLUME NEW_NAME",
  arity: { min: 2, max: 2 },
  summary: "Give a volume another name; containers that use it follow",
  complete: "volume",
  flags: {},
  async run({ args: [name = "", to = ""], engine, stdout }) {
    const { Name } = await engine.call("VolumeRename", { name }, { Name: to });
    stdout.write(`${Name}\n`);
  },
});
