import { EngineError } from "../base/errors.ts";
import type { Container } from "../containers/container.ts";
import type { ApiDeps } from "./deps.ts";
import { any, type Filters, flag, labelsMatch, pattern } from "./filters.ts";
import { endpointsJson, exposedPorts, isUp } from "./views/network-settings.ts";

export const containerFilterKeys = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
] as const;

const statuses = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const healths = ["starting", "healthy", "unhealthy", "none"];

/** The containers that pass, newest first. Values of one key are alternatives; labels all have to match. */
export function filterContainers(
  deps: ApiDeps,
  filters: Filters,
  options: { all: boolean; limit: number },
): Container[] {
  for (const status of filters.get("status") ?? []) {
    if (!statuses.includes(status)) throw new EngineError("invalid", `invalid filter 'status=${status}'`);
  }
  for (const health of filters.get("health") ?? []) {
    if (!healths.includes(health)) throw new EngineError("invalid", `invalid filter 'health=${health}'`);
  }
  for (const code of filters.get("exited") ?? []) {
    if (!/^-?\d+$/.test(code)) throw new EngineError("invalid", `invalid filter 'exited=${code}'`);
  }
  const everything =
    options.all || options.limit > 0 || ["status", "exited", "before", "since"].some((key) => filters.has(key));
  const pass = matcher(deps, filters);
  let list = [...deps.containers.list()].sort((a, b) => (a.createdAtNs < b.createdAtNs ? 1 : -1));
  list = cut(deps, filters, list).filter((container) => (everything || isUp(container)) && pass(container));
  return options.limit > 0 ? list.slice(0, options.limit) : list;
}

/** `before` and `since` cut the order of creation at a container. */
function cut(deps: ApiDeps, filters: Filters, list: Container[]): Container[] {
  let result = list;
  for (const reference of filters.get("before") ?? []) {
    const { createdAtNs } = deps.containers.get(reference);
    result = result.filter((container) => container.createdAtNs < createdAtNs);
  }
  for (const reference of filters.get("since") ?? []) {
    const { createdAtNs } = deps.containers.get(reference);
    result = result.filter((container) => container.createdAtNs > createdAtNs);
  }
  return result;
}

function matcher(deps: ApiDeps, filters: Filters): (container: Container) => boolean {
  const names = (filters.get("name") ?? []).map(pattern);
  const ancestors = ancestorIds(deps, filters);
  const isTask = flag(filters, "is-task");
  return (container) => {
    const { state, plan } = container;
    return (
      any(filters, "id", (prefix) => container.id.startsWith(prefix)) &&
      (names.length === 0 || names.some((matches) => matches(container.name) || matches(`/${container.name}`))) &&
      any(filters, "status", (status) => state.status === status) &&
      any(
        filters,
        "exited",
        (code) => state.startedAtNs !== 0n && !isUp(container) && state.exitCode === Number(code),
      ) &&
      any(filters, "health", (health) => (state.health?.status ?? "none") === health) &&
      any(filters, "isolation", (isolation) => isolation === "" || isolation === "default") &&
      isTask !== true &&
      labelsMatch(filters, plan.labels) &&
      (ancestors === undefined || ancestors.has(container.imageId)) &&
      any(filters, "volume", (volume) =>
        container.mounts.some((mount) => mount.name === volume || mount.target === volume),
      ) &&
      any(filters, "network", (network) =>
        Object.entries(endpointsJson(container)).some(
          ([name, endpoint]) => name === network || (network !== "" && (endpoint.NetworkID ?? "").startsWith(network)),
        ),
      ) &&
      any(filters, "publish", (range) =>
        (state.sandbox?.ports ?? []).some(
          (port) => inRange(range, port.containerPort, port.protocol) || inRange(range, port.hostPort, port.protocol),
        ),
      ) &&
      any(filters, "expose", (range) =>
        exposedPorts(container).some((name) => {
          const [port, protocol] = name.split("/");
          return inRange(range, Number(port), protocol ?? "tcp");
        }),
      )
    );
  };
}

/** Ids of the images named by `ancestor` and of those built on them: the ones whose layers begin with theirs. */
function ancestorIds(deps: ApiDeps, filters: Filters): Set<string> | undefined {
  const references = filters.get("ancestor");
  if (!references || references.length === 0) return undefined;
  const ids = new Set<string>();
  for (const reference of references) {
    try {
      const ancestor = deps.images.resolve(reference);
      ids.add(ancestor.id);
      const top = ancestor.chainIds.at(-1);
      for (const image of deps.images.list())
        if (top !== undefined && image.chainIds.includes(top) && image.chainIds.length > ancestor.chainIds.length)
          ids.add(image.id);
    } catch {
      // moby parity: an unknown ancestor matches nothing
    }
  }
  return ids;
}

/** `80`, `80/tcp`, `8000-8080/udp`. */
function inRange(range: string, port: number, protocol: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(range);
  if (!match) throw new EngineError("invalid", `invalid port '${range}'`);
  const [, first = "0", last = first, wanted = "tcp"] = match;
  return port >= Number(first) && port <= Number(last) && protocol === wanted;
}
