import { command } from "../command.ts";
import { eachArgument } from "../render/each-argument.ts";

export const volumeSnapshotRm = command({
  path: "volume snapshot-rm",
  args: "VOLUME SNAPSHOT [SNAPSHOT...]",
  arity: { min: 2, max: Infinity },
  summary: "Remove snapshots of a volume",
  complete: "volume",
  flags: {},
  run: ({ args: [name = "", ...snapshots], engine, stdout }) =>
    eachArgument(engine, snapshots, async (snapshot) => {
      await engine.call("VolumeSnapshotDelete", { name, snapshot });
      stdout.write(`${snapshot}\n`);
    }),
});
