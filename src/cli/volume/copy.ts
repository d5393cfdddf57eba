import { command } from "../command.ts";
import { checkLabel, keyValueMap, parseLabels } from "../values/label.ts";

export const volumeCopy = command({
  path: "volume copy",
  aliases: ["volume cp"],
  args: "VOLUME NEW_VOLUME",
  arity: { min: 2, max: 2 },
  summary: "Make a volume with the content of another one",
  complete: "volume",
  flags: {
    label: { type: "list", check: checkLabel, help: "Labels of the new volume, instead of the source's" },
    opt: {
      type: "list",
      short: "o",
      valueName: "map",
      defaultText: "map[]",
      help: "Options of the new volume (size=10G)",
    },
    snapshot: { type: "string", help: "Copy this snapshot of the source" },
  },
  async run({ flags, args: [name = "", to = ""], engine, stdout }) {
    const body = {
      Name: to,
      ...(flags.snapshot !== undefined && { Snapshot: flags.snapshot }),
      ...(flags.label.length > 0 && { Labels: parseLabels(flags.label) }),
      ...(flags.opt.length > 0 && { DriverOpts: keyValueMap(flags.opt) }),
    };
    const { Name } = await engine.call("VolumeCopy", { name }, body);
    stdout.write(`${Name}\n`);
  },
});
