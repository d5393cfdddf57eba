import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import type { Builder, BuildRequest, CacheLocation } from "../build/build.ts";
import type { CacheRecord } from "../build/cache/cache-record.ts";
import type { BuildContext } from "../build/context/build-context.ts";
import { maxDockerfileBytes } from "../build/dockerfile/source.ts";
import type { Vertex } from "../build/graph.ts";
import { ignorePatterns, readIgnoreFile } from "../spec/ignore-patterns.ts";
import { openAgentSocket } from "./session/agent-socket.ts";
import { type FrontendRequest, readAttributes } from "./attributes.ts";
import type { AskedSolve, BuildSide, CacheEntry, ExportRequest, Solution, Usage } from "./build-side.ts";
import { buildError } from "./grpc-error.ts";
import { openExports } from "./session/exports.ts";
import type { Job } from "./jobs.ts";
import { definitionVertex, statusOf } from "./progress-events.ts";
import type { Session } from "./session/session.ts";
import { readClientFile, SessionContext } from "./session/session-context.ts";
import { credentials, secret, uploaded } from "./session/session-services.ts";
import type { Sessions } from "./session/sessions.ts";
import { pruneOptions, usageOf } from "./usage.ts";
import { StepTeller } from "./step-teller.ts";

/** A Dockerfile that was read, with what it is built with. It is built when it is exported, as BuildKit does. */
interface Prepared extends Solution {
  readonly request: FrontendRequest;
  readonly session: Session;
  readonly dockerfile: { readonly fileName: string; readonly text: string };
  readonly excludePatterns: readonly string[];
  readonly cacheImports: readonly CacheEntry[];
  /** The context when it is no folder of the client's. */
  readonly remote: BuildContext | undefined;
}

export interface BuildSolverDeps {
  readonly builder: Builder;
  readonly sessions: Sessions;
  /** For sockets of builds at work. */
  readonly workRoot: string;
  /** For what is written whole before it is sent. */
  readonly spoolRoot: string;
  readonly version: string;
  readonly platforms: BuildSide["platforms"];
  readonly hostGatewayIp: () => string;
}

const ignoreFileBytes = 1024 * 1024;
const uploadAddress = /^https?:\/\/buildkit-session\/(.+)$/;

/** The builder behind BuildKit's services. */
export function buildSolver(deps: BuildSolverDeps): BuildSide {
  const { builder, sessions } = deps;

  async function solve(job: Job<Solution>, asked: AskedSolve, signal: AbortSignal): Promise<Prepared> {
    const session = await sessions.get(job.sessionId, { signal });
    const request = readAttributes(asked.attributes);
    const teller = new StepTeller(job.progress);
    const remote = await openRemote(request, session, signal);
    job.signal.addEventListener("abort", () => void remote?.[Symbol.asyncDispose](), { once: true });
    const read = (folder: string, path: string, maxBytes: number): Promise<Buffer | undefined> =>
      remote && folder === request.contextFolder
        ? remote.readFile(path, maxBytes)
        : readClientFile(session, { folder, path, maxBytes, signal });
    // a remote context brings its Dockerfile, unless the client sends one of its own
    const ownFolder =
      remote && !("dockerfilekey" in asked.attributes) ? request.contextFolder : request.dockerfileFolder;
    const definition = await teller.step(
      `[internal] load build definition from ${request.fileName}`,
      () => read(ownFolder, request.fileName, maxDockerfileBytes),
      definitionVertex,
    );
    if (!definition)
      throw new EngineError(
        "not-found",
        `failed to read dockerfile: open ${request.fileName}: no such file or directory`,
        { file: request.fileName },
      );
    const ignoreFile = await teller.step(
      "[internal] load .dockerignore",
      async () =>
        (await read(ownFolder, `${request.fileName}.dockerignore`, ignoreFileBytes)) ??
        (await read(request.contextFolder, ".dockerignore", ignoreFileBytes)),
    );
    const dockerfile = { fileName: request.fileName, text: definition.toString("utf8") };
    const excludePatterns = ignoreFile ? readIgnoreFile(ignoreFile.toString("utf8")) : [];
    const prepared = {
      platforms: [request.platform],
      request,
      session,
      dockerfile,
      excludePatterns,
      cacheImports: asked.cacheImports,
      remote,
    };
    if (request.subrequest === "") return { ...prepared, metadata: {} };
    const { subrequest } = await import("./subrequests.ts");
    const metadata = await subrequest(request.subrequest, {
      ...dockerfile,
      target: request.target,
      buildArgs: request.buildArgs,
      check: () => builder.check({ dockerfile, frontend: frontendOf(prepared) }),
    });
    return { ...prepared, metadata };
  }

  function openRemote(
    request: FrontendRequest,
    session: Session,
    signal: AbortSignal,
  ): Promise<BuildContext | undefined> {
    if (request.remoteContext === "") return Promise.resolve(undefined);
    const upload = uploadAddress.exec(request.remoteContext)?.[1];
    return upload === undefined
      ? builder.remoteContext(request.remoteContext, remoteOptions(request, signal))
      : builder.tarContext(uploaded(session, `/${upload}`, signal), signal);
  }

  async function build(
    job: Job<Solution>,
    prepared: Prepared,
    options: { exports: readonly ExportRequest[]; cacheExports: readonly CacheEntry[]; signal: AbortSignal },
  ): Promise<Record<string, string>> {
    const { request, session } = prepared;
    const { signal } = options;
    await using undo = new AsyncDisposableStack();
    const contexts = await openContexts(job, prepared, undo, signal);
    const exports = undo.use(openExports(session, options.exports, { spoolRoot: deps.spoolRoot, signal }));
    const told = new Set<string>();
    let idOf: ((vertex: Vertex) => string) | undefined;
    const result = await builder.build({
      id: job.id,
      dockerfile: prepared.dockerfile,
      contexts,
      frontend: frontendOf(prepared),
      pull: request.pull,
      credentials: (domain) => credentials(session, domain, { signal }),
      secret: (id) => secret(session, id, { signal }),
      ssh: (id) => openAgentSocket(session, id, { parent: deps.workRoot, signal }),
      network: request.network,
      extraHosts: request.extraHosts,
      hostname: request.hostname,
      limits: request.limits,
      entitlements: job.entitlements,
      cacheFrom: prepared.cacheImports.map(cacheLocation),
      cacheTo: options.cacheExports.map(cacheLocation),
      exports: exports.list,
      explain: false,
      caller: job.caller,
      signal,
      report(event) {
        if (event.kind === "vertex" && event.vertex.startedNs > 0n) told.add(event.vertex.id);
        job.progress.add(statusOf(event, prepared.dockerfile));
      },
      planned: (_steps, name) => void (idOf = name),
      made({ step: { vertex } }) {
        // steps that a later one's hit made needless are shown like those that were looked up
        const id = idOf?.(vertex) ?? "";
        if (id === "" || told.has(id) || vertex.op.kind === "scratch") return;
        told.add(id);
        const now = nowNs();
        const state = { id, name: vertex.name, inputs: [], startedNs: now, completedNs: now, cached: true, error: "" };
        job.progress.add(statusOf({ kind: "vertex", vertex: state }, prepared.dockerfile));
      },
    } satisfies BuildRequest);
    await exports.finish();
    const names = exports.references.join(",");
    return {
      ...(result.imageId === "" ? {} : { "containerimage.config.digest": result.imageId }),
      ...(result.imageId === "" ? {} : { "containerimage.digest": result.manifestDigest || result.imageId }),
      ...(names === "" ? {} : { "image.name": names }),
    };
  }

  async function openContexts(
    job: Job<Solution>,
    prepared: Prepared,
    undo: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Map<string, BuildContext>> {
    const { request, session, excludePatterns } = prepared;
    const local = (folder: string, excludes: readonly string[], name: string): BuildContext => {
      const { sharedKey } = session.head;
      return undo.use(
        new SessionContext(session, builder.folders, {
          folder,
          excludePatterns: excludes,
          key: sharedKey === "" ? "" : `${sharedKey}\0${folder}`,
          teller: new StepTeller(job.progress),
          name,
        }),
      );
    };
    const contexts = new Map<string, BuildContext>([
      ["", prepared.remote ?? local(request.contextFolder, excludePatterns, "load build context")],
    ]);
    for (const [name, { kind, place }] of request.fileContexts) {
      if (kind === "remote")
        contexts.set(name, undo.use(await builder.remoteContext(place, remoteOptions(request, signal))));
      else {
        const ignored = await readClientFile(session, {
          folder: place,
          path: ".dockerignore",
          maxBytes: ignoreFileBytes,
          signal,
        });
        const excludes = ignored ? readIgnoreFile(ignored.toString("utf8")) : [];
        contexts.set(name, local(place, excludes, `[context ${name}] load from client`));
      }
    }
    return contexts;
  }

  return {
    version: deps.version,
    platforms: deps.platforms,
    hostGatewayIp: deps.hostGatewayIp,
    solve,
    async export(job, solution, options) {
      // nothing is exported of a probe, nor of an answer to a question
      if (!solution || Object.keys(solution.metadata).length > 0) return {};
      const prepared = solution as Prepared;
      try {
        return await build(job, prepared, options);
      } catch (error) {
        throw buildError(error, prepared.dockerfile);
      }
    },
    history: () => builder.history(),
    forget: (id) => builder.forget(id),
    usage: async (filters) => builder.cacheUsage().filter(pruneOptions(filters).matches).map(usageOf),
    async *prune(options, { signal }): AsyncGenerator<Usage> {
      const { matches } = pruneOptions(options.filters);
      const usedAfterNs =
        options.keepDurationNs > 0n ? BigInt(Date.now()) * 1_000_000n - options.keepDurationNs : undefined;
      const keep = (record: CacheRecord): boolean =>
        !matches(record) || (usedAfterNs !== undefined && record.lastUsedAtNs > usedAfterNs);
      const { removed } = await builder.pruneCache({
        all: options.all,
        keep,
        maxUsedBytes: Number(options.maxUsedBytes),
        reservedBytes: Number(options.reservedBytes),
        minFreeBytes: Number(options.minFreeBytes),
      });
      signal.throwIfAborted();
      for (const record of removed) yield usageOf(record);
    },
  };
}

const remoteOptions = (request: FrontendRequest, signal: AbortSignal) => ({
  signal,
  fileName: request.fileName,
  keepGitDir: request.buildArgs.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") === "1",
});

function frontendOf({
  request,
  excludePatterns,
}: Pick<Prepared, "request" | "excludePatterns">): BuildRequest["frontend"] {
  const { target, buildArgs, labels, platform, noCache, network } = request;
  return {
    target,
    buildArgs,
    labels,
    platform,
    noCache,
    network,
    style: "buildkit",
    ignore: excludePatterns.length > 0 ? ignorePatterns(excludePatterns) : undefined,
    contexts: request.namedContexts,
  };
}

function cacheLocation({ type, attributes }: CacheEntry): CacheLocation {
  if (type !== "registry" && type !== "inline" && type !== "local")
    throw new EngineError(
      "invalid",
      `unknown cache type ${JSON.stringify(type)}: registry, local and inline are known`,
    );
  return {
    type,
    place: attributes["ref"] ?? attributes["src"] ?? attributes["dest"] ?? "",
    mode: attributes["mode"] === "max" ? "max" : "min",
  };
}
