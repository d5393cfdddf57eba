import { rfc3339 } from "../../base/clock.ts";
import { EngineError, errorKind, errorMessage } from "../../base/errors.ts";
import { readEntries } from "../../build/context/kept-contexts.ts";
import type { Export } from "../../build/build.ts";
import type { BuildContext } from "../../build/context/build-context.ts";
import { maxDockerfileBytes } from "../../build/dockerfile/source.ts";
import type { NamedContext } from "../../build/frontend/build-plan.ts";
import { noLimits } from "../../build/step-runner.ts";
import { normalTag } from "../../build/tags.ts";
import type { BuildRunRequest } from "../../spec/engine/types.gen.ts";
import { ignorePatterns } from "../../spec/ignore-patterns.ts";
import { readRegistryConfig } from "../build-options.ts";
import { cacheLocation } from "../cache-location.ts";
import { Reply, type RouteContext, type Routes } from "../route.ts";
import { solveStatus } from "../streams/solve-status.ts";

export const buildRunRoutes = {
  BuildRun: { can: "image:build", handle: (context) => new Reply(() => runBuild(context)) },

  BuildContextPlan: {
    can: "image:build",
    async handle({ deps, exchange }) {
      const { name, entries } = await readEntries(exchange.body.stream());
      const { id, missing } = await deps.builder.kept.plan(name, entries);
      return { Id: id, Missing: missing };
    },
  },

  BuildContextFiles: {
    can: "image:build",
    async handle({ deps, params, exchange, signal }) {
      const body = exchange.body.stream();
      // a whole context that is not kept: what comes on the client's standard input
      if (params.id.startsWith("tar-")) deps.builder.kept.lend(params.id, await deps.builder.tarContext(body, signal));
      else await deps.builder.kept.receive(params.id, body, signal);
    },
  },

  BuildCancel: {
    can: "image:build",
    handle: ({ deps, query }) => deps.builder.cancel(query.id ?? ""),
  },

  BuildHistoryList: {
    can: "image:build",
    handle: ({ deps }) =>
      deps.builder.history().map((record) => ({
        Id: record.id,
        Name: record.name,
        Status: record.status,
        Error: record.error,
        Started: rfc3339(record.startedNs),
        Completed: record.completedNs === 0n ? "" : rfc3339(record.completedNs),
        Steps: record.totalSteps,
        CompletedSteps: record.completedSteps,
        CachedSteps: record.cachedSteps,
        Warnings: record.warnings,
        ImageId: record.imageId,
        Platform: record.platform,
        Target: record.target,
      })),
  },

  BuildHistoryRemove: {
    can: "image:build",
    handle({ deps, params }) {
      const found = deps.builder.history().find(({ id }) => id === params.id);
      if (found?.status === "running") deps.builder.cancel(params.id);
      else deps.builder.forget(params.id);
    },
  },
} satisfies Partial<Routes>;

async function runBuild({ deps, body, exchange, caller, signal }: RouteContext<"BuildRun">): Promise<void> {
  const send = (value: unknown): boolean | Promise<boolean> => {
    if (!exchange.started) exchange.begin(200, { "Content-Type": "application/x-ndjson" });
    return exchange.write(`${JSON.stringify(value)}\n`);
  };
  await using opened = new AsyncDisposableStack();
  const { contexts, named } = await openContexts(deps.builder, body, signal, opened);
  const cacheFrom = [];
  for (const [index, row] of (body.CacheFrom ?? []).entries()) {
    const location = cacheLocation(row, "from");
    if (location.type !== "local") cacheFrom.push(location);
    else {
      // the client has sent its folder as a context
      const name = `cache ${index}`;
      contexts.set(name, opened.use(deps.builder.kept.open(location.place.replace(/^berth-context:/, ""))));
      cacheFrom.push({ ...location, place: name });
    }
  }
  const dockerfile = await readDockerfile(body, contexts.get(""));
  const frontend = {
    target: body.Target ?? "",
    buildArgs: new Map(Object.entries(body.BuildArgs ?? {})),
    labels: body.Labels ?? {},
    platform: body.Platform ?? "",
    noCache: body.NoCache ? ("all" as const) : (body.NoCacheFilter ?? []).map((name) => name.toLowerCase()),
    network: "default" as const,
    style: "buildkit" as const,
    ignore: body.Ignore && body.Ignore.length > 0 ? ignorePatterns(body.Ignore) : undefined,
    contexts: named,
  };
  let firstVertex = "";
  if (body.Check) {
    const warnings = await deps.builder.check({ dockerfile, frontend });
    for (const warning of warnings) await send(solveStatus({ kind: "warning", warning }, "", dockerfile.fileName));
    await send({ result: { warnings: warnings.length } });
    exchange.end();
    return;
  }
  const credentials = readRegistryConfig(exchange.head.headers.get("x-registry-config"));
  const secrets = new Map(
    Object.entries(body.Secrets ?? {}).map(([id, value]) => [id, Buffer.from(value, "base64")] as const),
  );
  const tags = (body.Tags ?? []).map(normalTag);
  const exports = readExports(body, tags, send);
  try {
    const result = await deps.builder.build({
      id: body.Id ?? "",
      dockerfile,
      contexts,
      frontend,
      pull: body.Pull ?? false,
      credentials: async (domain) => credentials(domain),
      secret: async (id) => secrets.get(id),
      ssh: async (id) => {
        const path = body.Ssh?.[id];
        return path === undefined ? undefined : { path, [Symbol.asyncDispose]: async () => {} };
      },
      network: body.Network === "default" ? "" : (body.Network ?? ""),
      extraHosts: body.ExtraHosts ?? [],
      hostname: frontend.buildArgs.get("BUILDKIT_SANDBOX_HOSTNAME") ?? "",
      limits: limits(body),
      entitlements: new Set(body.Allow ?? []),
      cacheFrom,
      cacheTo: (body.CacheTo ?? []).map((row, index) => ({
        ...cacheLocation(row, "to"),
        write: outputTo(send, exports.length + index),
      })),
      exports,
      explain: body.Explain ?? false,
      caller,
      signal,
      async report(event) {
        if (event.kind === "vertex" && firstVertex === "") firstVertex = event.vertex.id;
        await send(solveStatus(event, firstVertex, dockerfile.fileName));
      },
    });
    await send({
      result: {
        id: result.id,
        imageId: result.imageId,
        manifestDigest: result.manifestDigest,
        warnings: result.warnings.length,
      },
    });
  } catch (error) {
    await send({
      error: {
        kind: errorKind(error),
        message: errorMessage(error),
        ...(error instanceof EngineError && { detail: error.detail }),
      },
    });
  }
  exchange.end();
}

type Contexts = Map<string, BuildContext>;

/** Opens what the request names: kept contexts by their id, git repositories and URLs by their address. */
async function openContexts(
  builder: RouteContext<"BuildRun">["deps"]["builder"],
  body: BuildRunRequest,
  signal: AbortSignal,
  opened: AsyncDisposableStack,
): Promise<{ contexts: Contexts; named: Map<string, NamedContext> }> {
  const contexts = new Map<string, BuildContext>();
  const named = new Map<string, NamedContext>();
  const open = async (address: string): Promise<BuildContext> => {
    if (address.startsWith("berth-context:")) return builder.kept.open(address.slice("berth-context:".length));
    return builder.remoteContext(address, {
      signal,
      fileName: body.FileName || "Dockerfile",
      keepGitDir: body.BuildArgs?.["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] === "1",
    });
  };
  if (body.Remote) contexts.set("", opened.use(await open(body.Remote)));
  for (const [name, address] of Object.entries(body.Contexts ?? {})) {
    const key = name.toLowerCase();
    if (address.startsWith("docker-image://"))
      named.set(key, { kind: "image", reference: address.slice("docker-image://".length) });
    else {
      contexts.set(key, opened.use(await open(address)));
      named.set(key, { kind: "files" });
    }
  }
  return { contexts, named };
}

/** The Dockerfile that was sent, or the one in a context that only the daemon has. */
async function readDockerfile(
  body: BuildRunRequest,
  context: BuildContext | undefined,
): Promise<{ fileName: string; text: string }> {
  const fileName = body.FileName || "Dockerfile";
  if (body.Dockerfile !== "") return { fileName, text: body.Dockerfile };
  const bytes = await context?.readFile(fileName, maxDockerfileBytes);
  if (!bytes)
    throw new EngineError("invalid", `failed to read dockerfile: open ${fileName}: no such file or directory`, {
      file: fileName,
    });
  return { fileName, text: bytes.toString("utf8") };
}

/** Pieces of an export's bytes in one line. */
const outputBytes = 192 * 1024;

const outputTo =
  (send: (value: unknown) => boolean | Promise<boolean>, index: number) =>
  async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length; at += outputBytes) {
      const data = Buffer.from(bytes.subarray(at, at + outputBytes)).toString("base64");
      if (!(await send({ output: { index, data } }))) throw new EngineError("cancelled", "the client is gone");
    }
  };

function readExports(
  body: BuildRunRequest,
  tags: readonly string[],
  send: (value: unknown) => boolean | Promise<boolean>,
): Export[] {
  return (body.Exports ?? []).map((row, index): Export => {
    const { type = "", name = "" } = row;
    const references = name === "" ? tags : name.split(",").map(normalTag);
    const write = outputTo(send, index);
    switch (type) {
      case "image":
      case "moby":
        return { type: "image", references, push: row["push"] === "true" };
      case "registry":
        return { type: "image", references, push: true };
      case "docker":
      case "oci":
      case "tar":
      case "local":
        return { type, references, write };
      default:
        throw new EngineError(
          "invalid",
          `unknown output type ${JSON.stringify(type)}: known are image, registry, docker, oci, tar, local`,
        );
    }
  });
}

const limits = (body: BuildRunRequest) => ({
  ...noLimits,
  memoryBytes: body.Memory ?? 0,
  memorySwapBytes: body.MemorySwap ?? 0,
  cpuShares: body.CpuShares ?? 0,
  cpuPeriodUs: body.CpuPeriod ?? 0,
  cpuQuotaUs: body.CpuQuota ?? 0,
  cpusetCpus: body.CpusetCpus ?? "",
  cpusetMems: body.CpusetMems ?? "",
  shmSizeBytes: body.ShmSize ?? 0,
  cgroupParent: body.CgroupParent ?? "",
  ulimits: (body.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft ?? 0, hard: Hard ?? 0 })),
});
