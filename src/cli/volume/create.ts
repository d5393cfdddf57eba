import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { checkLabel, keyValueMap, parseLabels } from "../values/label.ts";

export const volumeCreate = command({
  path: "volume create",
  args: "[VOLUME]",
  arity: { min: 0, max: 1 },
  summary: "Create a volume",
  flags: {
    driver: { type: "string", short: "d", default: "local", help: "Specify volume driver name" },
    label: { type: "list", check: checkLabel, help: "Set metadata for a volume" },
    name: { type: "string", hidden: true, help: "Specify volume name" },
    quota: {
      type: "string",
      valueName: "bytes",
      help: "Most bytes that the volume may hold (10G); the same as --opt size",
    },
    opt: { type: "list", short: "o", valueName: "map", defaultText: "map[]", help: "Set driver specific options" },
  },
  async run({ flags, args: [argument], engine, stdout }) {
    if (argument !== undefined && flags.name !== undefined)
      throw new ExitError(
        1,
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    const body = {
      Name: argument ?? flags.name ?? "",
      Driver: flags.driver,
      DriverOpts: { ...keyValueMap(flags.opt), ...(flags.quota !== undefined && { size: flags.quota }) },
      Labels: parseLabels(flags.label),
    };
    const { Name } = await engine.call("VolumeCreate", {}, body);
    stdout.write(`${Name}\n`);
  },
});
