import { EngineError } from "../../base/errors.ts";
import type { CheckReport } from "../../images/images.ts";
import { isProtected } from "../../volumes/volume.ts";
import type { ApiDeps } from "../deps.ts";
import { flag, labelsMatch, readFilters } from "../filters.ts";
import { imageUse } from "../image-use.ts";
import { keptContainers, keptImages, keptNetworks } from "../prune-filters.ts";
import type { RouteContext, Routes } from "../route.ts";

interface PruneItem {
  readonly ID: string;
  readonly Names: string[];
  readonly Size: number;
}
interface Plan {
  readonly items: PruneItem[];
  readonly bytes: number;
}

export const imageCareRoutes = {
  PrunePlan: {
    can: "system:read",
    async handle({ deps, params, query, caller }) {
      const plan = plans[params.type as keyof typeof plans];
      if (!plan) throw new EngineError("invalid", `unknown object type: ${params.type}`);
      const { items, bytes } = await plan({ deps, filters: query.filters, caller });
      return { Type: params.type, Items: items, SpaceReclaimed: bytes };
    },
  },
  SystemCheck: { can: "system:read", handle: (context) => report(context, false) },
  SystemRepair: { can: "image:prune", handle: (context) => report(context, true) },
} satisfies Partial<Routes>;

async function report(
  { deps, query, caller, signal }: RouteContext<"SystemCheck"> | RouteContext<"SystemRepair">,
  repair: boolean,
) {
  const quick = query.quick === true;
  const found: CheckReport = await deps.images.check({ caller, signal, repair, quick, inUse: imageUse(deps) });
  return {
    Images: found.images,
    Layers: found.layers,
    Blobs: found.blobs,
    Findings: found.findings.map(({ kind, id, problem, images, repaired }) => ({
      Kind: kind,
      ID: id,
      Problem: problem,
      Images: [...images],
      Repaired: repaired,
    })),
  };
}

interface Asked {
  readonly deps: ApiDeps;
  readonly filters: string | null | undefined;
  readonly caller: RouteContext<"PrunePlan">["caller"];
}

const predefined: ReadonlySet<string> = new Set(["bridge", "host", "none"]);
const sum = (items: readonly PruneItem[]): number => items.reduce((bytes, { Size }) => bytes + Size, 0);

const plans: Readonly<Record<"container" | "image" | "network" | "volume", (asked: Asked) => Promise<Plan>>> = {
  async container({ deps, filters }) {
    const keep = keptContainers(filters);
    const gone = deps.containers
      .list()
      .filter(
        (container) =>
          ["created", "exited", "dead"].includes(container.state.status) &&
          !container.state.starting &&
          !keep(container),
      );
    const items = await Promise.all(
      gone.map(async ({ id, name }) => ({
        ID: id,
        Names: [name],
        Size: (await deps.containers.size(id)).writableBytes,
      })),
    );
    return { items, bytes: sum(items) };
  },

  async image({ deps, filters, caller }) {
    const keep = keptImages(filters);
    const plan = await deps.images.prune({ caller, keep, inUse: imageUse(deps), dryRun: true });
    const unique = deps.images.uniqueBytes();
    const items = plan.images.map((image) => ({
      ID: image.id,
      Names: [...image.references],
      Size: unique.get(image.id) ?? 0,
    }));
    return { items, bytes: plan.reclaimedBytes };
  },

  async network({ deps, filters }) {
    const keep = keptNetworks(deps, filters);
    const gone = deps.networks
      .list()
      .filter(
        (network) => !predefined.has(network.name) && deps.networks.endpoints(network.id).size === 0 && !keep(network),
      );
    return { items: gone.map(({ id, name }) => ({ ID: id, Names: [name], Size: 0 })), bytes: 0 };
  },

  async volume({ deps, filters: text }) {
    const filters = readFilters(text, ["label", "label!", "all"]);
    const all = flag(filters, "all") ?? false;
    const gone = deps.volumes
      .list()
      .filter(
        (volume) =>
          (all || volume.anonymous) &&
          volume.driver === "local" &&
          !isProtected(volume) &&
          labelsMatch(filters, volume.labels) &&
          deps.volumes.users(volume.name).length === 0,
      );
    const items = await Promise.all(
      gone.map(async ({ name }) => ({
        ID: name,
        Names: [name],
        Size: Math.max(0, await deps.volumes.usage(name)),
      })),
    );
    return { items, bytes: sum(items) };
  },
};
