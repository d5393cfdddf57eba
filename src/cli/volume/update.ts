import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { checkLabel, parseLabels } from "../values/label.ts";

export const volumeUpdate = command({
  path: "volume update",
  args: "VOLUME",
  arity: { min: 1, max: 1 },
  summary: "Change labels and size of a volume",
  complete: "volume",
  flags: {
    "label-add": { type: "list", check: checkLabel, help: "Add or change a label" },
    "label-rm": { type: "list", help: "Remove a label" },
    size: { type: "string", valueName: "bytes", help: "Most bytes that the volume may hold (10G)" },
  },
  async run({ flags, args: [name = ""], engine, stdout }) {
    const labels = flags["label-add"].length > 0 || flags["label-rm"].length > 0;
    if (!labels && flags.size === undefined) throw new ExitError(1, "nothing to change: give labels or a size");
    const body = {
      ...(flags.size !== undefined && { Size: flags.size }),
      ...(labels && { Labels: await changed(flags) }),
    };
    const { Name } = await engine.call("VolumeChange", { name }, body);
    stdout.write(`${Name}\n`);

    async function changed({ "label-add": add, "label-rm": remove }: typeof flags): Promise<Record<string, string>> {
      const before = (await engine.call("VolumeInspect", { name })).Labels ?? {};
      const kept = Object.entries(before).filter(([key]) => !remove.includes(key));
      return { ...Object.fromEntries(kept), ...parseLabels(add) };
    }
  },
});
