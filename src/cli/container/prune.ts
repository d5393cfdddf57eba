import { command } from "../command.ts";
import { confirm } from "../render/confirm.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";

export const prune = command({
  path: "container prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove all stopped containers",
  flags: {
    filter: {
      type: "list",
      valueName: "filter",
      check: checkFilter,
      help: 'Which ones ("until=<timestamp>", "label=<key>")',
    },
    force: { type: "bool", short: "f", help: "Do not ask" },
  },
  async run({ flags, engine, stdin, stdout }) {
    const question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";
    if (!flags.force && !(await confirm(question, { stdin, stdout }))) return;
    const filters = parseFilters(flags.filter);
    const { ContainersDeleted, SpaceReclaimed } = await engine.call(
      "ContainerPrune",
      filters === undefined ? {} : { filters },
    );
    const deleted = ContainersDeleted ?? [];
    if (deleted.length > 0) stdout.write(`Deleted Containers:\n${deleted.join("\n")}\n\n`);
    stdout.write(`Total reclaimed space: ${humanSize(SpaceReclaimed ?? 0)}\n`);
  },
});
