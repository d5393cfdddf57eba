import { command } from "../command.ts";

export const volumeRestore = command({
  path: "volume restore",
  args: "VOLUME SNAPSHOT",
  arity: { min: 2, max: 2 },
  summary: "Put the content of a snapshot back into its volume",
  complete: "volume",
  flags: {},
  async run({ args: [name = "", snapshot = ""], engine, stdout }) {
    await engine.call("VolumeRestore", { name }, { Snapshot: snapshot });
    stdout.write(`${name}\n`);
  },
});
