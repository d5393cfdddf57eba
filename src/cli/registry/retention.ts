import { command } from "../command.ts";
import { administer, registryFlags } from "./admin-client.ts";
import { rows } from "./rows.ts";
import { readAction, readSpan } from "./words.ts";

interface Rule {
  readonly id: number;
  readonly repositories: string;
  readonly tags: string;
  readonly keepLast: number | null;
  readonly keepPushedMs: number | null;
  readonly keepPulledMs: number | null;
}

interface Retired {
  readonly tags: readonly { repository: string; tag: string; pushedAt: string }[];
}

const dayMs = 24 * 60 * 60 * 1000;

export const registryRetention = command({
  path: "registry retention",
  args: "ACTION [REPOSITORIES | RULE]",
  arity: { min: 1, max: 2 },
  summary: "Which tags are kept: ls, add REPOSITORIES, rm RULE, run",
  flags: {
    ...registryFlags,
    tags: { type: "string", default: "**", help: "Pattern of the tags that the rule speaks of" },
    last: { type: "int", help: "Keep the newest ones" },
    pushed: { type: "string", valueName: "time", help: "Keep those pushed within this time: 30d" },
    pulled: { type: "string", valueName: "time", help: "Keep those pulled or pushed within this time: 30d" },
    "dry-run": { type: "bool", help: "With run: only say which tags would go" },
  },
  complete: ["ls", "add", "rm", "run"],
  async run(context) {
    const { flags, args, stdout } = context;
    const none = { min: 0, max: 0 };
    const one = { min: 1, max: 1 };
    const { action, names } = readAction(args, { ls: none, add: one, rm: one, run: none });
    const [name = ""] = names;
    switch (action) {
      case "ls": {
        const { retentionRules } = await administer<{ retentionRules: readonly Rule[] }>(context, "GET policies");
        stdout.write(rows(["RULE", "REPOSITORIES", "TAGS", "KEEPS"], retentionRules.map(line)));
        return;
      }
      case "add":
        await administer(context, "POST retention-rules", {
          repositories: name,
          tags: flags.tags,
          keepLast: flags.last ?? null,
          keepPushedMs: flags.pushed === undefined ? null : readSpan(flags.pushed),
          keepPulledMs: flags.pulled === undefined ? null : readSpan(flags.pulled),
        });
        return;
      case "rm":
        await administer(context, `DELETE retention-rules/${encodeURIComponent(name)}`);
        return;
      case "run": {
        const { tags } = await administer<Retired>(context, "POST retention", { dryRun: flags["dry-run"] });
        for (const { repository, tag, pushedAt } of tags) stdout.write(`${repository}:${tag}\t${pushedAt}\n`);
        stdout.write(`${flags["dry-run"] ? "Would remove" : "Removed"} ${tags.length} tags\n`);
        return;
      }
    }
  },
});

const line = ({ id, repositories, tags, keepLast, keepPushedMs, keepPulledMs }: Rule): string[] => [
  String(id),
  repositories,
  tags,
  [
    keepLast === null ? "" : `the last ${keepLast}`,
    keepPushedMs === null ? "" : `pushed within ${days(keepPushedMs)}`,
    keepPulledMs === null ? "" : `pulled within ${days(keepPulledMs)}`,
  ]
    .filter(Boolean)
    .join(", "),
];

const days = (ms: number): string => (ms % dayMs === 0 ? `${ms / dayMs}d` : `${ms / 3_600_000}h`);
