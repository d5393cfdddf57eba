import { command } from "../command.ts";
import { confirm } from "../render/confirm.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { showPlans } from "../system/prune-plan.ts";
import { pruneImages } from "./prune-images.ts";

const dangling = "WARNING! This will remove all dangling images.\nAre you sure you want to continue?";
const unused =
  "WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue?";

export const imagePrune = command({
  path: "image prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove unused images",
  flags: {
    "dry-run": { type: "bool", help: "Show what would be removed, and remove nothing" },
    all: { type: "bool", short: "a", help: "Remove all unused images, not just dangling ones" },
    filter: {
      type: "list",
      valueName: "filter",
      help: 'Provide filter values (e.g. "until=<timestamp>")',
      check: checkFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  async run({ flags, engine, stdin, stdout }) {
    const filters = parseFilters(flags.filter, { dangling: [String(!flags.all)] });
    if (flags["dry-run"]) return showPlans(engine, { types: ["image"], filters: () => filters, stdout });
    if (!flags.force && !(await confirm(flags.all ? unused : dangling, { stdin, stdout }))) return undefined;
    const { text, reclaimedBytes } = await pruneImages(engine, filters);
    if (text !== "") stdout.write(`${text}\n`);
    stdout.write(`Total reclaimed space: ${humanSize(reclaimedBytes)}\n`);
    return undefined;
  },
});
