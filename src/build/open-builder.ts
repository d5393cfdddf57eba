import { statfsSync } from "node:fs";
import { join } from "node:path";
import { nowNs } from "../base/clock.ts";
import { EngineError, errorKind, errorMessage } from "../base/errors.ts";
import { newId } from "../base/id.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { Database } from "bun:sqlite";
import { sha256 } from "../images/chain-id.ts";
import type { Registries } from "../distribution/registries.ts";
import type { Images, Progress } from "../images/images.ts";
import { Appliers } from "../snapshots/apply/appliers.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import { defaultApplyLimits } from "../snapshots/open.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { familiarReference, parseReference, withDefaultTag } from "../spec/reference.ts";
import type { BuildRequest, BuildResult, Builder } from "./build.ts";
import { BuildCache } from "./cache/build-cache.ts";
import { BuildTables } from "./cache/build-cache.sql.ts";
import { inlineMember } from "./cache/cache-document.ts";
import { cacheDocument, exportCache } from "./cache/cache-export.ts";
import { ImportedCaches } from "./cache/cache-import.ts";
import { CacheMounts } from "./cache/cache-mounts.ts";
import { cacheUsage, pruneCache } from "./cache/prune.ts";
import { KeptContexts } from "./context/kept-contexts.ts";
import { tarContext } from "./context/tar-context.ts";
import { SyncedFolders } from "./context/synced-folders.ts";
import { remoteContext } from "./context/remote-context.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import { exportResult } from "./export/export.ts";
import { imageConfig } from "./export/image-config.ts";
import { TreeTools } from "./files/tree-tools.ts";
import type { BuildPlan, PlannedImage } from "./frontend/build-plan.ts";
import { checkDockerfile, toGraph } from "./frontend/to-graph.ts";
import type { Vertex } from "./graph.ts";
import { BuildRecords } from "./records.ts";
import { sweepWork } from "./ops/work-folder.ts";
import { Semaphore } from "./solve/semaphore.ts";
import { type Solved, Solver } from "./solve/solver.ts";
import { snapshotPrefix, type SolverDeps } from "./solve/solver-deps.ts";
import type { StepRunner } from "./step-runner.ts";

export interface BuilderOptions {
  readonly db: Database;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly images: Images;
  readonly snapshotter: Snapshotter & LayerStore;
  readonly registries: Registries;
  readonly runner: StepRunner;
  readonly folderBytes: (folder: string) => Promise<number>;
  readonly settings: () => BuilderSettings;
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

export interface BuilderSettings {
  /** Steps at once, over all builds. */
  readonly maxParallelism: number;
  /** The cache is brought below this size after builds; 0 = it grows until it is pruned. */
  readonly cacheMaxBytes: number;
  /** Records not used for so long go after builds; 0 = never. */
  readonly cacheMaxAgeMs: number;
}

/** Chain ids that the cache of a data root needs, before anything is opened. */
export function cachedLayers(db: Database): Set<string> {
  return new Set(
    new BuildTables(db)
      .results()
      .flatMap((row) => (JSON.parse(row.layers) as { chainId: string }[]).map(({ chainId }) => chainId)),
  );
}

/** Opens the builder of a data root, whose tables are migrated; takes away what builds of an earlier process left. */
export async function openBuilder(options: BuilderOptions): Promise<Builder> {
  const { images, snapshotter, dataRoot, execRoot } = options;
  const [workRoot, spoolRoot] = [join(execRoot, "b"), join(dataRoot, "build", "spool")];
  await sweepWork(workRoot);
  await sweepWork(spoolRoot);
  for (const key of snapshotter.keys()) {
    if (!key.startsWith(snapshotPrefix)) continue;
    await snapshotter.unmount(join(execRoot, "c", key.slice(snapshotPrefix.length), "rootfs"));
    await snapshotter.remove(key);
  }
  const tables = new BuildTables(options.db);
  const cache = new BuildCache({ tables, layers: snapshotter, hold: (chainIds) => images.hold(chainIds) });
  const mounts = new CacheMounts({
    tables,
    root: join(dataRoot, "build", "mounts"),
    folderBytes: options.folderBytes,
  });
  const solverDeps: SolverDeps = {
    cache,
    mounts,
    layers: snapshotter,
    runner: options.runner,
    trees: new TreeTools(),
    appliers: new Appliers({ maxWorkers: 2 }),
    limits: defaultApplyLimits,
    locks: new KeyedLock(),
    proxies: () => options.registries.proxies,
    permits: new Semaphore(() => Math.max(1, options.settings().maxParallelism)),
    hold: (chainIds) => images.hold(chainIds),
    workRoot,
    spoolRoot,
  };
  const records = new BuildRecords(tables);
  const running = new Map<string, AbortController>();
  const folders = new SyncedFolders(join(dataRoot, "build", "folders"));
  const kept = new KeptContexts({ folders, appliers: solverDeps.appliers });
  const cacheDeps = { cache, mounts, folders, images, layers: snapshotter };
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(dataRoot);
    return Number(bavail) * Number(bsize);
  };

  const build = async (request: BuildRequest): Promise<BuildResult> => {
    const id = request.id || newId().slice(0, 25);
    if (running.has(id)) throw new EngineError("conflict", `a build with id ${id} is running`, { id });
    const abort = new AbortController();
    running.set(id, abort);
    const signal = AbortSignal.any([request.signal, abort.signal]);
    const record = records.begin(id, request);
    try {
      const result = await run(
        { ...request, id, signal },
        { solverDeps, images, record, registries: options.registries },
      );
      record.completed(result.imageId);
      return result;
    } catch (error) {
      record.failed(signal.aborted ? "cancelled" : "error", errorMessage(error));
      if (signal.aborted && errorKind(error) !== "cancelled")
        throw new EngineError("cancelled", "the build was cancelled", {}, { cause: error });
      throw error;
    } finally {
      running.delete(id);
      setImmediate(() => {
        cache.flush(); // behind the answer
        records.flush();
      });
      void trim().catch((error: unknown) =>
        options.log("warn", "build cache not trimmed", { error: errorMessage(error) }),
      );
    }
  };

  /** What the settings say of the cache's size and age. */
  const trim = async (): Promise<void> => {
    const { cacheMaxBytes, cacheMaxAgeMs } = options.settings();
    if (cacheMaxAgeMs > 0) {
      const oldest = nowNs() - BigInt(cacheMaxAgeMs) * 1_000_000n;
      await pruneCache(cacheDeps, {
        all: true,
        keep: ({ lastUsedAtNs }) => lastUsedAtNs >= oldest,
        maxUsedBytes: 0,
        reservedBytes: 0,
        minFreeBytes: 0,
      });
    }
    if (cacheMaxBytes > 0)
      await pruneCache(cacheDeps, {
        all: true,
        keep: () => false,
        maxUsedBytes: cacheMaxBytes,
        reservedBytes: 0,
        minFreeBytes: 0,
      });
  };

  return {
    folders,
    kept,
    build,
    check: ({ dockerfile, frontend }) =>
      Promise.resolve().then(() => checkDockerfile(parseDockerfile(dockerfile.text, dockerfile.fileName), frontend)),
    tarContext: (source, signal) => tarContext(source, { spoolRoot, appliers: solverDeps.appliers, signal }),
    remoteContext: (url, asked) =>
      remoteContext(url, { ...asked, spoolRoot, appliers: solverDeps.appliers, proxies: options.registries.proxies }),
    cacheUsage: () => cacheUsage(cacheDeps),
    pruneCache: (asked) => pruneCache(cacheDeps, asked, freeBytes),
    history: () => records.list(),
    forget: (id) => records.forget(id),
    cancel: (id) => running.get(id)?.abort(),
    close: async () => {
      for (const abort of running.values()) abort.abort();
      cache.flush();
      records.flush();
      solverDeps.trees.close();
      solverDeps.appliers.close();
    },
  };
}

interface RunDeps {
  readonly solverDeps: SolverDeps;
  readonly images: Images;
  readonly record: ReturnType<BuildRecords["begin"]>;
  readonly registries: Registries;
}

async function run(request: BuildRequest, { solverDeps, images, record, registries }: RunDeps): Promise<BuildResult> {
  const file = parseDockerfile(request.dockerfile.text, request.dockerfile.fileName);
  const plan = await toGraph(file, {
    ...request.frontend,
    resolveImage: (reference, platform) => resolveImage(images, request, reference, platform),
  });
  for (const warning of plan.warnings) void request.report({ kind: "warning", warning });
  record.planned(plan);
  const imported = new ImportedCaches(
    { ...solverDeps, images, registries },
    request,
    (text) => void request.report({ kind: "notice", text }),
  );
  const solver = new Solver({
    deps: solverDeps,
    request,
    buildId: request.id,
    contextPaths: plan.contextPaths,
    imported,
  });
  request.planned?.(plan.steps, (vertex) => solver.idOf(vertex));
  try {
    const target = solver.run(plan.root);
    target.catch(() => {}); // awaited below
    const telling = tellSteps(request, plan, solver, target);
    const [solved] = await Promise.all([
      target.catch((error: unknown) => Promise.reject(withPlace(error, file.fileName))),
      telling,
    ]);
    record.solved(solver);
    const config = configOf(request, plan.image, plan.root, solved);
    if (request.cacheTo.some(({ type }) => type === "inline") || inlineAsked(request)) {
      const document = cacheDocument(solverDeps.cache, solver.used, { mode: "min", image: solved.result });
      config[inlineMember] = Buffer.from(JSON.stringify(document)).toString("base64");
    }
    const configBytes = Buffer.from(JSON.stringify(config));
    const { imageId, manifestDigest } = await exportResult(
      { request, configBytes, config, solved, images, layers: solverDeps.layers, workRoot: solverDeps.workRoot },
      request.exports,
    );
    await exportCache({ ...solverDeps, registries }, request, { results: solver.used, image: solved.result });
    return { id: request.id, imageId, manifestDigest, warnings: plan.warnings };
  } finally {
    await solver.close();
  }
}

const inlineAsked = ({ frontend }: BuildRequest): boolean => frontend.buildArgs.get("BUILDKIT_INLINE_CACHE") === "1";

/** Tells the instructions in their order, whatever was made first. */
async function tellSteps(
  request: BuildRequest,
  plan: BuildPlan,
  solver: Solver,
  target: Promise<Solved>,
): Promise<void> {
  if (!request.made) return;
  for (const step of plan.steps) {
    let solved: Solved | undefined;
    try {
      // what the cache made unnecessary is told from the result
      solved = (await solver.until(step.vertex)) ?? partOf(plan.root, await target, step.vertex);
    } catch {
      return; // the build's own error
    }
    const isBase = step.vertex.op.kind === "image";
    const imageId =
      isBase && step.image.history.length === 0 && step.image.baseImageId !== ""
        ? step.image.baseImageId
        : sha256(solved ? JSON.stringify(configOf(request, step.image, step.vertex, solved)) : step.vertex.name);
    request.made({ step, cached: solved?.cached ?? true, imageId });
  }
}

/** What a step below the result must have given; undefined for one of another stage. */
function partOf(root: Vertex, solved: Solved, vertex: Vertex): Solved | undefined {
  const order: Vertex[] = [];
  let at = root;
  for (; at.op.kind === "run" || at.op.kind === "files"; at = at.op.base) order.unshift(at);
  const count = at === vertex ? 0 : order.indexOf(vertex) + 1;
  if (count === 0 && at !== vertex) return undefined;
  const filled = (steps: Solved["trail"]): number => steps.filter(({ empty }) => !empty).length;
  const trail = solved.trail.slice(0, count);
  const layers = solved.layers.slice(0, solved.layers.length - filled(solved.trail) + filled(trail));
  return { layers, trail, cached: true, result: null };
}

function configOf(
  request: BuildRequest,
  image: PlannedImage,
  root: Vertex,
  solved: Solved,
): ReturnType<typeof imageConfig> {
  return imageConfig(image, {
    root,
    layers: solved.layers,
    trail: solved.trail,
    comment: request.frontend.style === "buildkit" ? "buildkit.dockerfile.v0" : "",
    epochSeconds: root.epochSeconds,
  });
}

async function resolveImage(
  images: Images,
  request: BuildRequest,
  reference: string,
  platform: string,
): ReturnType<Images["pull"]> {
  const isId = /^(sha256:)?[0-9a-f]{64}$/.test(reference);
  if (!request.pull || isId) {
    try {
      return images.resolve(reference, { platform });
    } catch (error) {
      if (isId || errorKind(error) !== "not-found") throw error;
    }
    try {
      const any = images.resolve(reference);
      // an image that was made here for another platform is meant, as it has no other
      if (any.digests.length === 0) return any;
    } catch (error) {
      if (errorKind(error) !== "not-found") throw error;
    }
  }
  const name = withDefaultTag(parseReference(reference));
  const credentials = await request.credentials(name.domain);
  const telling = tellPull(request, familiarReference(name));
  try {
    const image = await images.pull(familiarReference(name), {
      platform,
      ...(credentials && { credentials }),
      report: telling.progress,
      caller: request.caller,
      signal: request.signal,
    });
    telling.end("");
    return image;
  } catch (error) {
    telling.end(errorMessage(error));
    throw error;
  }
}

/** Shows the pull of a base image as a vertex of its own, its layers as parts that are counted. */
function tellPull(
  request: BuildRequest,
  reference: string,
): { progress: (progress: Progress) => void; end: (error: string) => void } {
  const id = sha256(`${request.id} pull ${reference}`);
  const startedNs = nowNs();
  const parts = new Map<string, bigint>();
  const tell = (completedNs: bigint, error: string): void =>
    void request.report({
      kind: "vertex",
      vertex: {
        id,
        name: `[internal] pull ${reference}`,
        inputs: [],
        startedNs,
        completedNs,
        cached: false,
        error,
      },
    });
  tell(0n, "");
  return {
    progress({ id: part, status = "", current = 0, total = 0 }) {
      if (part === undefined) return;
      const begun = parts.get(part) ?? nowNs();
      parts.set(part, begun);
      const done = status === "Pull complete" || status === "Already exists";
      void request.report({
        kind: "progress",
        progress: { vertexId: id, id: part, current, total, startedNs: begun, completedNs: done ? nowNs() : 0n },
      });
    },
    end: (error) => tell(nowNs(), error),
  };
}

/** Which file and line a step's failure is of. */
function withPlace(error: unknown, fileName: string): unknown {
  if (!(error instanceof EngineError) || error.detail["line"] === undefined) return error;
  return new EngineError(error.kind, error.message, { ...error.detail, file: fileName }, { cause: error });
}
