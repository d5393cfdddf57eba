import { command } from "../command.ts";
import { checkLabel, parseLabels } from "../values/label.ts";

export const volumeSnapshot = command({
  path: "volume snapshot",
  args: "VOLUME [SNAPSHOT]",
  arity: { min: 1, max: 2 },
  summary: "Keep the content of a volume as it is now",
  complete: "volume",
  flags: {
    label: { type: "list", check: checkLabel, help: "Set metadata for the snapshot" },
    pause: { type: "bool", help: "Pause the containers that use the volume meanwhile" },
  },
  async run({ flags, args: [name = "", snapshot], engine, stdout }) {
    const body = {
      ...(snapshot !== undefined && { Name: snapshot }),
      ...(flags.label.length > 0 && { Labels: parseLabels(flags.label) }),
      ...(flags.pause && { Pause: true }),
    };
    const { Name } = await engine.call("VolumeSnapshotCreate", { name }, body);
    stdout.write(`${Name}\n`);
  },
});
