import { command } from "../command.ts";
import { administer, registryFlags } from "./admin-client.ts";

interface Checked {
  readonly checked: number;
  readonly damagedCount: number;
  readonly damaged: readonly { digest: string; why: string }[];
}

export const registryCheck = command({
  path: "registry check",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Compare what a registry knows with the bytes it holds, while it serves",
  flags: {
    ...registryFlags,
    digests: { type: "bool", help: "Read every blob and compare its digest, not its size alone" },
    repair: { type: "bool", help: "Forget damaged blobs, so that the next push brings them again" },
  },
  async run(context) {
    const { flags, stdout } = context;
    const { repair, digests } = flags;
    const { checked, damaged, damagedCount } = await administer<Checked>(context, "POST check", { repair, digests });
    for (const { digest, why } of damaged) stdout.write(`${digest}: ${why}\n`);
    stdout.write(`${checked} blobs, ${damagedCount} damaged${repair && damagedCount > 0 ? ", now forgotten" : ""}\n`);
    return damagedCount > 0 && !repair ? 1 : 0;
  },
});
