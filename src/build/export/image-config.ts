import { rfc3339 } from "../../base/clock.ts";
import type { OciHistory, OciImageConfig, OciRunConfig } from "../../spec/oci/image.ts";
import type { LayerRef, TrailStep } from "../cache/build-cache.ts";
import type { PlannedImage } from "../frontend/build-plan.ts";
import type { Vertex } from "../graph.ts";

/** Members of a run configuration in the order of Docker's own structure. */
const configOrder = [
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
] as const;

/**
 * The configuration of an image over these layers, as Docker writes it. The same inputs give the same bytes: times are
 * those of the layers, which the cache keeps. `trail` tells of the steps between the base image and `root`.
 */
export function imageConfig(
  image: PlannedImage,
  made: {
    root: Vertex;
    layers: readonly LayerRef[];
    trail: readonly TrailStep[];
    comment: string;
    epochSeconds: number | null;
  },
): OciImageConfig {
  const { epochSeconds, comment } = made;
  const order = chainOfVertices(made.root);
  const stepOf = (vertex: Vertex): TrailStep | undefined => made.trail[order.indexOf(vertex)];
  const steps = image.history.map((step) => ({ step, trail: step.vertex ? stepOf(step.vertex) : undefined }));
  const last = made.trail.at(-1);
  const base = image.baseCreated || rfc3339(0n);
  const timeOf = (trail: TrailStep | undefined): string =>
    epochSeconds !== null
      ? rfc3339(BigInt(epochSeconds) * 1_000_000_000n)
      : trail
        ? rfc3339(BigInt(trail.createdMs) * 1_000_000n)
        : base;
  // moby parity: what changes the configuration alone has the time of the next layer, at the end of the last one
  const history = steps.map(({ step, trail }, index): OciHistory => {
    const next = steps.slice(index).find((later) => later.trail !== undefined)?.trail ?? last;
    return {
      created: timeOf(trail ?? next),
      created_by: step.createdBy(trail?.content ?? ""),
      ...(comment !== "" && { comment }),
      ...((step.vertex === null || trail?.empty === true) && { empty_layer: true }),
    };
  });
  const [os = "linux", architecture = "", variant] = image.platform.split("/");
  return {
    architecture,
    ...(image.author !== "" && { author: image.author }),
    config: ordered(image.config),
    created: timeOf(last),
    history: [...image.baseHistory, ...history],
    os,
    rootfs: { type: "layers", diff_ids: made.layers.map(({ diffId }) => diffId) },
    ...(variant !== undefined && { variant }),
  };
}

/** Steps from the lowest up to `root`, the image or nothing below left out. */
function chainOfVertices(root: Vertex): Vertex[] {
  const chain: Vertex[] = [];
  for (let at: Vertex = root; at.op.kind === "run" || at.op.kind === "files"; at = at.op.base) chain.push(at);
  return chain.reverse();
}

/** Without what says nothing, members in Docker's order, names in maps sorted. */
function ordered(config: OciRunConfig): OciRunConfig {
  const rest = Object.keys(config)
    .filter((key) => !(configOrder as readonly string[]).includes(key))
    .sort();
  return Object.fromEntries(
    [...configOrder, ...rest].flatMap((key): [string, unknown][] => {
      const value = config[key];
      if (value === undefined || value === null || value === "" || value === false) return [];
      if (Array.isArray(value)) return value.length === 0 ? [] : [[key, value]];
      if (typeof value !== "object" || key === "Healthcheck") return [[key, value]];
      const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      return entries.length === 0 ? [] : [[key, Object.fromEntries(entries)]];
    }),
  );
}
