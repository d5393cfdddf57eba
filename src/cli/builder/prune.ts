import { command } from "../command.ts";
import { confirm } from "../render/confirm.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";

const some = "WARNING! This will remove all dangling build cache. Are you sure you want to continue?";
const all = "WARNING! This will remove all build cache. Are you sure you want to continue?";

export const builderPrune = command({
  path: "builder prune",
  aliases: ["buildx prune"],
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove build cache",
  flags: {
    all: { type: "bool", short: "a", help: "Remove all unused build cache, not just dangling ones" },
    filter: {
      type: "list",
      valueName: "filter",
      help: 'Provide filter values (e.g. "until=24h")',
      check: checkFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
    "keep-storage": { type: "bytes", help: "Amount of disk space to keep for cache", hidden: true },
    "max-used-space": { type: "bytes", help: "Maximum amount of disk space allowed to keep for cache" },
    "min-free-space": { type: "bytes", help: "Target amount of free disk space after pruning" },
    "reserved-space": { type: "bytes", help: "Amount of disk space always allowed to keep for cache" },
  },
  async run({ flags, engine, stdin, stdout }) {
    if (!flags.force && !(await confirm(flags.all ? all : some, { stdin, stdout }))) return undefined;
    const filters = parseFilters(flags.filter);
    const { CachesDeleted, SpaceReclaimed } = await engine.call("BuildPrune", {
      all: flags.all,
      ...(filters === undefined ? {} : { filters }),
      ...space("reserved-space", flags["reserved-space"] ?? flags["keep-storage"]),
      ...space("max-used-space", flags["max-used-space"]),
      ...space("min-free-space", flags["min-free-space"]),
    });
    if (CachesDeleted?.length) stdout.write(`Deleted build cache objects:\n${CachesDeleted.join("\n")}\n\n`);
    stdout.write(`Total reclaimed space: ${humanSize(SpaceReclaimed ?? 0)}\n`);
    return undefined;
  },
});

const space = <Name extends string>(name: Name, bytes: number | undefined): Partial<Record<Name, number>> =>
  bytes === undefined ? {} : ({ [name]: bytes } as Record<Name, number>);
