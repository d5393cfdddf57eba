import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { confirm } from "../render/confirm.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { pruneVolumes } from "./prune-volumes.ts";

const anonymous =
  "WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue?";
const every =
  "WARNING! This will remove all local volumes not used by at least one container.\nAre you sure you want to continue?";

export const volumePrune = command({
  path: "volume prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove unused local volumes",
  flags: {
    all: { type: "bool", short: "a", help: "Remove all unused volumes, not just anonymous ones" },
    filter: {
      type: "list",
      valueName: "filter",
      help: 'Provide filter values (e.g. "label=<label>")',
      check: checkFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  async run({ flags, engine, stdin, stdout }) {
    if (flags.all && flags.filter.some((filter) => filter.startsWith("all=")))
      throw new ExitError(1, "conflicting options: cannot specify both --all and --filter all=1");
    if (!flags.force && !(await confirm(flags.all ? every : anonymous, { stdin, stdout }))) return;
    const { text, reclaimedBytes } = await pruneVolumes(
      engine,
      parseFilters(flags.filter, flags.all ? { all: ["true"] } : {}),
    );
    if (text !== "") stdout.write(`${text}\n`);
    stdout.write(`Total reclaimed space: ${humanSize(reclaimedBytes)}\n`);
  },
});
