import { timerMs } from "../../base/timer.ts";
import { EngineError } from "../../base/errors.ts";
import { containerFilterKeys, filterContainers } from "../container-filters.ts";
import { lowers } from "../compat.ts";
import type { ApiDeps } from "../deps.ts";
import { readFilters } from "../filters.ts";
import { keptContainers } from "../prune-filters.ts";
import { truthy } from "../query.ts";
import { imageName } from "../image-use.ts";
import { jsonText, Reply, type Routes, shaped, streamReply } from "../route.ts";
import { containerJson } from "../views/container-json.ts";
import { containerSummary, summaryText } from "../views/container-list.ts";

const timeoutOf = (value: number | undefined): { timeoutSeconds?: number } =>
  value === undefined ? {} : { timeoutSeconds: value < 0 ? -1 : timerMs(value * 1000) / 1000 };

/** Life of a container: from create to prune. */
export const containerRoutes = {
  ContainerList: {
    can: "container:list",
    async handle({ deps, query, minor }) {
      const filters = readFilters(query.filters, containerFilterKeys);
      const list = filterContainers(deps, filters, { all: query.all ?? false, limit: query.limit ?? 0 });
      const now = Date.now();
      if (query.size !== true && !lowers("ContainerList", minor)) {
        const text = `[${list.map((container) => summaryText(container, imageName(deps, container), now)).join(",")}]\n`;
        return new Reply((exchange) => exchange.send(200, { "Content-Type": "application/json" }, text));
      }
      const views = list.map((container) => containerSummary(container, imageName(deps, container), now));
      if (query.size !== true) return shaped(views);
      return shaped(await Promise.all(views.map(async (view) => ({ ...view, ...(await sizes(deps, view.Id)) }))));
    },
  },

  ContainerCreate: {
    can: "container:create",
    async handle({ deps, body, query, caller }) {
      const { id, warnings } = await deps.containers.create(body, {
        name: query.name ?? "",
        platform: query.platform ?? "",
        caller,
      });
      return { Id: id, Warnings: warnings };
    },
  },

  ContainerInspect: {
    can: "container:read",
    async handle({ deps, params, query }) {
      const container = deps.containers.get(params.id);
      const view = containerJson(container, deps);
      return shaped(query.size === true ? { ...view, ...(await sizes(deps, container.id)) } : view);
    },
  },

  ContainerTop: {
    can: "container:read",
    async handle({ deps, params, query, caller }) {
      const { titles, processes } = await deps.containers.top(params.id, query.ps_args ?? "-ef", { caller });
      return { Titles: titles, Processes: processes };
    },
  },

  ContainerChanges: {
    can: "container:read",
    async handle({ deps, params }) {
      const kinds = { modified: 0, added: 1, deleted: 2 } as const;
      const changes = await deps.containers.changes(params.id);
      return shaped(changes.length === 0 ? null : changes.map(({ path, kind }) => ({ Path: path, Kind: kinds[kind] })));
    },
  },

  ContainerExport: {
    can: "container:copy-out",
    async handle({ deps, params, caller, signal }) {
      return streamReply(await deps.containers.export(params.id, { caller, signal }), {
        "Content-Type": "application/x-tar",
      });
    },
  },

  ContainerStart: {
    can: "container:start",
    async handle({ deps, params, query, caller }) {
      await deps.containers.start(params.id, { caller, ...(query.detachKeys ? { detachKeys: query.detachKeys } : {}) });
    },
  },

  // A client that goes away does not cancel a stop (engine-api.md 1.5): no signal is given here and below.
  ContainerStop: {
    can: "container:stop",
    async handle({ deps, params, query, caller, signal }) {
      await deps.containers.stop(params.id, {
        caller,
        ...timeoutOf(query.t),
        signal,
        ...(query.signal ? { stopSignal: query.signal } : {}),
      });
    },
  },

  ContainerRestart: {
    can: "container:start",
    async handle({ deps, params, query, caller, signal }) {
      await deps.containers.restart(params.id, {
        caller,
        ...timeoutOf(query.t),
        signal,
        ...(query.signal ? { stopSignal: query.signal } : {}),
      });
    },
  },

  ContainerKill: {
    can: "container:stop",
    async handle({ deps, params, query, caller }) {
      await deps.containers.kill(params.id, { caller, killSignal: query.signal ?? "" });
    },
  },

  ContainerPause: {
    can: "container:stop",
    async handle({ deps, params, caller }) {
      await deps.containers.pause(params.id, { caller });
    },
  },

  ContainerUnpause: {
    can: "container:start",
    async handle({ deps, params, caller }) {
      await deps.containers.unpause(params.id, { caller });
    },
  },

  ContainerUpdate: {
    can: "container:change",
    async handle({ deps, params, body, caller }) {
      const { warnings } = await deps.containers.update(params.id, body, { caller });
      return { Warnings: warnings };
    },
  },

  ContainerRename: {
    can: "container:change",
    async handle({ deps, params, query, caller }) {
      await deps.containers.rename(params.id, query.name ?? "", { caller });
    },
  },

  ContainerDelete: {
    can: "container:remove",
    async handle({ deps, params, query, caller }) {
      await deps.containers.remove(params.id, {
        caller,
        force: query.force ?? false,
        volumes: query.v ?? false,
        link: query.link ?? false,
      });
    },
  },

  ContainerWait: {
    can: "container:read",
    handle({ deps, params, query, signal }) {
      const condition = query.condition || "not-running";
      if (condition !== "not-running" && condition !== "next-exit" && condition !== "removed") {
        throw new EngineError("invalid", `invalid condition: ${JSON.stringify(condition)}`);
      }
      const { result } = deps.containers.wait(params.id, condition, signal);
      // `docker run` starts the container only when these headers have come (engine-api.md 0.1)
      return new Reply(async (exchange) => {
        exchange.begin(200, { "Content-Type": "application/json" });
        const { exitCode, error } = await result;
        await exchange.write(
          jsonText({ StatusCode: exitCode, ...(error !== undefined && { Error: { Message: error } }) }),
        );
        exchange.end();
      });
    },
  },

  ContainerPrune: {
    can: "container:prune",
    async handle({ deps, query, caller }) {
      const { removed, reclaimedBytes } = await deps.containers.prune({ caller, keep: keptContainers(query.filters) });
      return shaped({ ContainersDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: reclaimedBytes });
    },
  },

  ContainerArchiveInfo: {
    can: "container:copy-out",
    async handle({ deps, params, search }) {
      const stat = await deps.containers.statPath(params.id, archivePath(search));
      return new Reply((exchange) => exchange.send(200, { "X-Docker-Container-Path-Stat": statHeader(stat) }));
    },
  },

  ContainerArchive: {
    can: "container:copy-out",
    async handle({ deps, params, search, caller, signal }) {
      const { stat, tar } = await deps.containers.readArchive(params.id, archivePath(search), { caller, signal });
      return streamReply(tar, {
        "Content-Type": "application/x-tar",
        "X-Docker-Container-Path-Stat": statHeader(stat),
      });
    },
  },

  PutContainerArchive: {
    can: "container:copy-in",
    async handle({ deps, params, search, caller, signal, exchange }) {
      await deps.containers.writeArchive(params.id, archivePath(search), exchange.body.stream(), {
        caller,
        signal,
        noOverwriteDirNonDir: truthy(search.get("noOverwriteDirNonDir")),
        copyOwner: truthy(search.get("copyUIDGID")),
      });
    },
  },
} satisfies Partial<Routes>;

function archivePath(search: URLSearchParams): string {
  const path = search.get("path");
  if (path === null || path === "") throw new EngineError("invalid", "bad parameter: path cannot be empty");
  return path;
}

const statHeader = (stat: object): string => Buffer.from(JSON.stringify(stat), "utf8").toString("base64");

async function sizes(deps: ApiDeps, id: string): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const { writableBytes, rootfsBytes } = await deps.containers.size(id);
  return { SizeRw: writableBytes, SizeRootFs: rootfsBytes };
}
