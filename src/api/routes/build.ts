import { EngineError, errorMessage } from "../../base/errors.ts";
import type { BuildContext } from "../../build/context/build-context.ts";
import { maxDockerfileBytes } from "../../build/dockerfile/source.ts";
import { normalTag } from "../../build/tags.ts";
import { type ClassicBuild, readClassicBuild, readRegistryConfig } from "../build-options.ts";
import { errorStatus } from "../error-reply.ts";
import { readFilters } from "../filters.ts";
import { Reply, type RouteContext, type Routes } from "../route.ts";
import { ClassicBuildStream } from "../streams/classic-build.ts";
import { cacheKeeper } from "../build-filters.ts";

export const buildRoutes = {
  ImageBuild: {
    can: "image:build",
    handle: (context) => new Reply(() => classicBuild(context)),
  },

  BuildPrune: {
    can: "image:build",
    async handle({ deps, query, search }) {
      const filters = readFilters(query.filters, cacheKeeper.keys);
      const { removed, reclaimedBytes } = await deps.builder.pruneCache({
        all: query.all ?? false,
        keep: cacheKeeper.keep(filters),
        maxUsedBytes: query["max-used-space"] ?? 0,
        reservedBytes: query["reserved-space"] ?? (Number(search.get("keep-storage") ?? "0") || 0),
        minFreeBytes: query["min-free-space"] ?? 0,
      });
      return {
        CachesDeleted: removed.length === 0 ? null : removed.map(({ id }) => id),
        SpaceReclaimed: reclaimedBytes,
      };
    },
  },
} satisfies Partial<Routes>;

/** The classic builder's endpoint. What fails before anything is told is an ordinary error, the rest is in the stream. */
async function classicBuild(context: RouteContext<"ImageBuild">): Promise<void> {
  const { deps, exchange, search, signal, caller } = context;
  if (search.get("version") === "2" || search.get("remote") === "client-session")
    throw new EngineError(
      "invalid",
      "builds of a client's session are asked over /grpc, not POST /build?version=2: update the client, or use the classic builder",
    );
  const asked = readClassicBuild(search);
  const tags = asked.tags.map(normalTag);
  await using files = await openContext(context, asked);
  const dockerfile = await readDockerfile(files, asked);
  const stream = new ClassicBuildStream(exchange, { quiet: asked.quiet, removing: asked.removeContainers });
  const credentials = readRegistryConfig(exchange.head.headers.get("x-registry-config"));
  try {
    const { imageId } = await deps.builder.build({
      id: search.get("buildid") ?? "",
      dockerfile,
      contexts: new Map([["", files]]),
      frontend: {
        target: asked.target,
        buildArgs: asked.buildArgs,
        labels: asked.labels,
        platform: asked.platform,
        noCache: asked.noCache ? "all" : [],
        network: "default",
        style: "classic",
        ignore: undefined,
        contexts: new Map(),
      },
      pull: asked.pull,
      credentials: async (domain) => credentials(domain),
      secret: async () => undefined,
      ssh: async () => undefined,
      network: asked.network,
      extraHosts: asked.extraHosts,
      hostname: "",
      limits: asked.limits,
      // moby parity: the classic builder runs with the host's network when it is asked to
      entitlements: new Set(["network.host"]),
      cacheFrom: asked.cacheFrom.map((place) => ({ type: "registry", place, mode: "min" })),
      cacheTo: [],
      exports: [{ type: "image", references: tags, push: false }],
      explain: false,
      caller,
      signal,
      report: (event) => stream.event(event),
      planned: (steps, idOf) => stream.planned(steps, idOf),
      made: (step) => stream.made(step),
    });
    stream.completed(imageId, tags);
  } catch (error) {
    if (!exchange.started && !asked.quiet) throw error;
    stream.failed();
    const { code, message } = wireError(error);
    stream.send({ errorDetail: { ...(code !== 0 && { code }), message }, error: message });
  }
  exchange.end();
}

async function openContext(
  { deps, exchange, signal }: RouteContext<"ImageBuild">,
  asked: ClassicBuild,
): Promise<BuildContext> {
  if (asked.remote === "") return deps.builder.tarContext(exchange.body.stream(), signal);
  return deps.builder.remoteContext(asked.remote, {
    signal,
    fileName: asked.dockerfile || "Dockerfile",
    keepGitDir: asked.buildArgs.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") === "1",
  });
}

async function readDockerfile(files: BuildContext, asked: ClassicBuild): Promise<{ fileName: string; text: string }> {
  const fileName = asked.dockerfile || "Dockerfile";
  const bytes =
    (await files.readFile(fileName, maxDockerfileBytes)) ??
    // moby parity: the lower-case name where the other is not asked for
    (asked.dockerfile === "" ? await files.readFile("dockerfile", maxDockerfileBytes) : undefined);
  if (!bytes) throw new EngineError("invalid", `Cannot locate specified Dockerfile: ${fileName}`, { file: fileName });
  if (bytes.length === 0)
    throw new EngineError("invalid", `The Dockerfile (${fileName}) cannot be empty`, { file: fileName });
  return { fileName, text: bytes.toString("utf8") };
}

/** moby parity: the classic builder's own words for a command that failed. */
function wireError(error: unknown): { code: number; message: string } {
  if (error instanceof EngineError && typeof error.detail["exitCode"] === "number" && "command" in error.detail)
    return {
      code: error.detail["exitCode"],
      message: `The command '${String(error.detail["command"])}' returned a non-zero code: ${error.detail["exitCode"]}`,
    };
  const line = error instanceof EngineError ? error.detail["line"] : undefined;
  const status = errorStatus(error);
  const message = errorMessage(error);
  const place = typeof line === "number" && line > 0 && !message.includes("line ") ? ` (line ${line})` : "";
  return { code: status === 500 ? 0 : status, message: `${message}${place}` };
}
