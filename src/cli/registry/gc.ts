import { command } from "../command.ts";
import { humanSize } from "../render/units.ts";
import { administer, registryFlags } from "./admin-client.ts";

interface Collected {
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly orphans: number;
  readonly uploads: number;
}

export const registryGc = command({
  path: "registry gc",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove what no manifest of a registry needs, while it serves",
  flags: {
    ...registryFlags,
    "dry-run": { type: "bool", help: "Only say what would go" },
    untagged: { type: "bool", help: "Remove manifests without a tag too" },
  },
  async run(context) {
    const { flags, stdout, set } = context;
    const done = await administer<Collected>(context, "POST collection", {
      dryRun: flags["dry-run"],
      ...(set.has("untagged") && { untagged: flags.untagged }),
    });
    stdout.write(
      `${flags["dry-run"] ? "Would remove" : "Removed"} ${done.blobs} blobs (${humanSize(done.bytes)}), ${done.manifests} manifests, ${done.orphans} lost files, ${done.uploads} uploads given up\n`,
    );
  },
});
