import { EngineError } from "../../base/errors.ts";
import { any, flag, labelsMatch, pattern, readFilters } from "../filters.ts";
import { type Routes, shaped } from "../route.ts";
import { namingUsers } from "../volume-users.ts";
import { volumeJson } from "../views/volume-json.ts";

export const volumeRoutes = {
  VolumeList: {
    can: "volume:list",
    async handle({ deps, query }) {
      const filters = readFilters(query.filters, ["dangling", "driver", "label", "name"]);
      const dangling = flag(filters, "dangling");
      const { volumes, warnings } = await deps.volumes.listAll();
      const list = volumes.filter(
        (volume) =>
          any(filters, "name", (name) => pattern(name)(volume.name)) &&
          any(filters, "driver", (driver) => volume.driver === driver) &&
          labelsMatch(filters, volume.labels) &&
          (dangling === undefined || dangling === (deps.volumes.users(volume.name).length === 0)),
      );
      return shaped({
        Volumes: list.map((volume) => volumeJson(volume)),
        Warnings: warnings.length > 0 ? warnings : null,
      });
    },
  },

  VolumeCreate: {
    can: "volume:create",
    async handle({ deps, body, caller }) {
      const volume = await deps.volumes.create({
        name: body.Name ?? "",
        ...(body.Driver ? { driver: body.Driver } : {}),
        ...(body.Labels && { labels: body.Labels }),
        ...(body.DriverOpts && { options: body.DriverOpts }),
        caller,
      });
      return shaped(volumeJson(volume));
    },
  },

  VolumeInspect: {
    can: "volume:read",
    handle: async ({ deps, params }) => shaped(volumeJson(await deps.volumes.inspect(params.name))),
  },

  VolumeUpdate: {
    can: "volume:change",
    handle: () => {
      throw new EngineError("unavailable", "volume update only valid for cluster volumes, but swarm is unavailable");
    },
  },

  VolumeDelete: {
    can: "volume:remove",
    async handle({ deps, params, query, caller }) {
      await namingUsers(deps, () => deps.volumes.remove(params.name, { force: query.force ?? false, caller }));
    },
  },

  VolumePrune: {
    can: "volume:prune",
    async handle({ deps, query, caller, minor }) {
      const filters = readFilters(query.filters, ["label", "label!", "all"]);
      // Below 1.42 named volumes were pruned, too
      const all = flag(filters, "all") ?? minor < 42;
      const { removed, reclaimedBytes } = await deps.volumes.prune({
        all,
        labels: (labels) => labelsMatch(filters, labels),
        caller,
      });
      return shaped({ VolumesDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: reclaimedBytes });
    },
  },
} satisfies Partial<Routes>;
