import { ApiError, type EngineClient } from "../../client/engine-client.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit-error.ts";
import { type PlanType, showPlans } from "./prune-plan.ts";
import { pruneImages } from "../image/prune-images.ts";
import { confirm } from "../render/confirm.ts";
import { humanSize } from "../render/units.ts";
import { checkFilter, parseFilters } from "../values/filter.ts";
import { pruneVolumes } from "../volume/prune-volumes.ts";

export const systemPrune = command({
  path: "system prune",
  args: "",
  arity: { min: 0, max: 0 },
  summary: "Remove unused data",
  flags: {
    "dry-run": { type: "bool", help: "Show what would be removed, and remove nothing" },
    all: { type: "bool", short: "a", help: "Remove all unused images not just dangling ones" },
    filter: {
      type: "list",
      valueName: "filter",
      help: 'Provide filter values (e.g. "label=<key>=<value>")',
      check: checkFilter,
    },
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
    volumes: { type: "bool", help: "Prune anonymous volumes" },
  },
  async run({ flags, engine, stdin, stdout }) {
    const { all, volumes, filter } = flags;
    if (volumes && filter.some((text) => text.startsWith("until=")))
      throw new ExitError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
    if (flags["dry-run"]) {
      const images = parseFilters(filter, { dangling: [String(!all)] });
      const types: PlanType[] = ["container", "network", ...(volumes ? (["volume"] as const) : []), "image"];
      return showPlans(engine, {
        types,
        filters: (type) => (type === "image" ? images : parseFilters(filter)),
        stdout,
      });
    }
    if (!flags.force && !(await confirm(warning({ all, volumes, filter }), { stdin, stdout }))) return undefined;
    let total = 0;
    for (const step of steps({ all, volumes, filter })) {
      const { text, reclaimedBytes } = await step(engine);
      total += reclaimedBytes;
      if (text !== "") stdout.write(`${text}\n`);
    }
    stdout.write(`Total reclaimed space: ${humanSize(total)}\n`);
    return undefined;
  },
});

interface Wishes {
  readonly all: boolean;
  readonly volumes: boolean;
  readonly filter: readonly string[];
}

function warning({ all, volumes, filter }: Wishes): string {
  const items = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(volumes ? ["all anonymous volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated to them" : "all dangling images",
    all ? "all build cache" : "unused build cache",
  ];
  const list = (rows: readonly string[]): string => rows.map((row) => `  - ${row}\n`).join("");
  const filtered =
    filter.length === 0 ? "" : `\n  Items to be pruned will be filtered with:\n${list([...filter].sort())}`;
  return `WARNING! This will remove:\n${list(items)}${filtered}\nAre you sure you want to continue?`;
}

type Step = (engine: EngineClient) => Promise<{ text: string; reclaimedBytes: number }>;

function steps({ all, volumes, filter }: Wishes): Step[] {
  const filters = parseFilters(filter);
  const titled = (title: string, names: readonly string[] | null | undefined): string =>
    (names ?? []).length === 0 ? "" : `${title}:\n${(names ?? []).join("\n")}\n`;
  return [
    async (engine) => {
      const { ContainersDeleted: names, SpaceReclaimed: bytes } = await engine.call("ContainerPrune", { filters });
      return { text: titled("Deleted Containers", names), reclaimedBytes: bytes ?? 0 };
    },
    async (engine) => ({
      text: titled("Deleted Networks", (await engine.call("NetworkPrune", { filters })).NetworksDeleted),
      reclaimedBytes: 0,
    }),
    ...(volumes ? [(engine: EngineClient) => pruneVolumes(engine, filters)] : []),
    (engine) => pruneImages(engine, parseFilters(filter, { dangling: [String(!all)] })),
    (engine) => pruneBuildCache(engine, all, filters),
  ];
}

async function pruneBuildCache(
  engine: EngineClient,
  all: boolean,
  filters: string | undefined,
): Promise<{ text: string; reclaimedBytes: number }> {
  try {
    const { CachesDeleted: ids, SpaceReclaimed: bytes } = await engine.call("BuildPrune", {
      filters,
      ...(all ? { all } : {}),
    });
    return {
      text: (ids ?? []).length === 0 ? "" : `Deleted build cache objects:\n${(ids ?? []).join("\n")}\n`,
      reclaimedBytes: bytes ?? 0,
    };
  } catch (error) {
    // A daemon without a builder has no cache of it.
    if (error instanceof ApiError && (error.status === 404 || error.status === 501))
      return { text: "", reclaimedBytes: 0 };
    throw error;
  }
}
