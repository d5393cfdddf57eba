import { command } from "../command.ts";
import { confirm } from "../render/confirm.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";

const warning =
  "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";

export const networkPrune = command({
  path: "network prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove all unused networks",
  flags: {
    filter: {
      type: "list",
      valueName: "filter",
      help: 'Provide filter values (e.g. "until=<timestamp>")',
      check: checkFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  async run({ flags, engine, stdin, stdout }) {
    if (!flags.force && !(await confirm(warning, { stdin, stdout }))) return;
    const { NetworksDeleted: names } = await engine.call("NetworkPrune", { filters: parseFilters(flags.filter) });
    if ((names ?? []).length > 0) stdout.write(`Deleted Networks:\n${(names ?? []).join("\n")}\n\n`);
  },
});
