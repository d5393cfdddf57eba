import type { BuildRequest } from "../build.ts";
import type { BuildCache } from "../cache/build-cache.ts";
import type { Vertex } from "../graph.ts";

/** Why a step is not in the cache, in words for who asked by `--explain`. */
export function explainMiss(vertex: Vertex, cache: BuildCache, request: Pick<BuildRequest, "frontend">): string {
  if (vertex.ignoreCache)
    return request.frontend.noCache === "all"
      ? "made anew: --no-cache"
      : "made anew: --no-cache-filter names its stage";
  const { op } = vertex;
  const before = cache
    .list()
    .filter((result) => result.description === describe(vertex))
    .sort((a, b) => (a.createdAtNs < b.createdAtNs ? 1 : -1))[0];
  if (before === undefined) {
    const same = cache.list().some((result) => stepText(result.description) === stepText(describe(vertex)));
    return same
      ? "not in the cache: this step was made before, but as another step of its stage"
      : "not in the cache: no earlier build has made this step (its text is new, or its record was pruned)";
  }
  if (op.kind === "files" && op.action.kind === "copy")
    return `not in the cache: the files that it copies differ from those of the last time (${before.content || "not known"}), or what lies below has changed`;
  return "not in the cache: the same command was run before, but over other files, with other build arguments, variables, user or mounts";
}

function describe(vertex: Vertex): string {
  const { op } = vertex;
  return op.kind === "run" ? `mount / from exec ${op.args.join(" ")}` : vertex.name;
}

/** Without the stage and the number. */
const stepText = (description: string): string => description.replace(/^\[[^\]]*\] /, "");
