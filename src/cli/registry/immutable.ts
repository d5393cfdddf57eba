import { command } from "../command.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";
import { readAction } from "./words.ts";

interface Policies {
  readonly immutableTags: readonly { id: number; repositories: string; tags: string }[];
}

export const registryImmutable = command({
  path: "registry immutable",
  args: "ACTION [REPOSITORIES TAGS | RULE]",
  arity: { min: 1, max: 3 },
  summary: "Tags that may not be moved or removed: ls, add REPOSITORIES TAGS, rm RULE",
  flags: registryFlags,
  complete: ["ls", "add", "rm"],
  async run(context) {
    const { args, stdout } = context;
    const { action, names } = readAction(args, {
      ls: { min: 0, max: 0 },
      add: { min: 2, max: 2 },
      rm: { min: 1, max: 1 },
    });
    const [first = "", tags = ""] = names;
    if (action === "add") await administer(context, "POST immutable-tags", { repositories: first, tags });
    if (action === "rm") await administer(context, `DELETE immutable-tags/${encodeURIComponent(first)}`);
    if (action !== "ls") return;
    const { immutableTags } = await administer<Policies>(context, "GET policies");
    const lines = immutableTags.map((rule) => [String(rule.id), rule.repositories, rule.tags]);
    stdout.write(rows(["RULE", "REPOSITORIES", "TAGS"], lines));
  },
});
