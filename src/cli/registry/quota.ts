import { command } from "../command.ts";
import { bytesSize } from "../render/units.ts";
import { parseBytes } from "../values/bytes.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";
import { readAction } from "./words.ts";

export const registryQuota = command({
  path: "registry quota",
  args: "ACTION [PREFIX [SIZE]]",
  arity: { min: 1, max: 3 },
  summary: "Limit the bytes of repositories: ls, set PREFIX SIZE, rm PREFIX",
  flags: registryFlags,
  complete: ["ls", "set", "rm"],
  async run(context) {
    const { args, stdout } = context;
    const { action, names } = readAction(args, {
      ls: { min: 0, max: 0 },
      set: { min: 2, max: 2 },
      rm: { min: 1, max: 1 },
    });
    const [prefix = "", size = ""] = names;
    if (action === "ls") {
      const quotas = await administer<{ prefix: string; bytes: number; usedBytes: number }[]>(context, "GET quotas");
      const lines = quotas.map((quota) => [quota.prefix, bytesSize(quota.usedBytes), bytesSize(quota.bytes)]);
      stdout.write(rows(["PREFIX", "USED", "QUOTA"], lines));
      return;
    }
    if (action === "set") await administer(context, "PUT quotas", { prefix, bytes: parseBytes(size) });
    else await administer(context, `DELETE quotas?${new URLSearchParams({ prefix })}`);
    stdout.write(`${prefix}\n`);
  },
});
