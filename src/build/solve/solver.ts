import { createHash } from "node:crypto";
import { nowNs } from "../../base/clock.ts";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { chainIds } from "../../images/chain-id.ts";
import type { StagedLayer } from "../../snapshots/layers.ts";
import type { BuildRequest } from "../build.ts";
import { type CachedResult, chainOf, type LayerRef, type TrailStep } from "../cache/build-cache.ts";
import type { ImportedCaches } from "../cache/cache-import.ts";
import type { ContextTree } from "../context/build-context.ts";
import type { VertexStatus } from "../events.ts";
import { inputsOf, type SourceOf, type Vertex, reachable } from "../graph.ts";
import { changeFiles } from "../ops/files.ts";
import { runStep } from "../ops/run.ts";
import { explainMiss } from "./explain.ts";
import { filesDefinition, keyOf, runDefinition } from "./keys.ts";
import type { SolverDeps } from "./solver-deps.ts";
import { SourceReader } from "./sources.ts";

/** Digest of an archive without members: such a layer is left out. */
export const emptyTar = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** What became of a vertex. */
export interface Solved {
  readonly layers: readonly LayerRef[];
  readonly cached: boolean;
  /** The steps from the image below, this one last. */
  readonly trail: readonly TrailStep[];
  /** null for what is no step. */
  readonly result: CachedResult | null;
}

/** A step waits this long for the same step of another build. */
const sameStepTimeoutMs = 24 * 3600 * 1000;

/** Makes one build's graph: each vertex once, inputs at once, the cache before the work. */
export class Solver {
  readonly #deps: SolverDeps;
  readonly #request: BuildRequest;
  readonly #buildId: string;
  readonly #solved = new Map<Vertex, Promise<Solved>>();
  readonly #definitions = new Map<Vertex, Promise<string>>();
  readonly #ids = new Map<Vertex, string>();
  readonly #taints = new Map<Vertex, boolean>();
  readonly #holds = new DisposableStack();
  readonly #waiting: (() => void)[] = [];
  /** Results that this build made, by the key of what they were made of. */
  readonly #made = new Map<string, CachedResult>();
  #ended = false;
  readonly #sources: SourceReader;
  readonly #imported: Pick<ImportedCaches, "find">;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly used = new Set<CachedResult>();
  cachedSteps = 0;
  completedSteps = 0;

  constructor(options: {
    deps: SolverDeps;
    request: BuildRequest;
    buildId: string;
    contextPaths: ReadonlyMap<string, readonly string[]>;
    imported: Pick<ImportedCaches, "find">;
  }) {
    this.#imported = options.imported;
    this.#deps = options.deps;
    this.#request = options.request;
    this.#buildId = options.buildId;
    this.#signal = AbortSignal.any([options.request.signal, this.#abort.signal]);
    this.#sources = new SourceReader({
      deps: options.deps,
      request: options.request,
      signal: this.#signal,
      contextPaths: options.contextPaths,
      solve: async (vertex) => (await this.solve(vertex)).layers,
    });
  }

  /** Tells all vertices, then makes the target. What else runs is stopped when one fails. */
  async run(target: Vertex): Promise<Solved> {
    for (const vertex of reachable(target)) this.#tell(vertex, {});
    try {
      return await this.solve(target);
    } catch (error) {
      this.#abort.abort(new EngineError("cancelled", "another step of the build failed"));
      await Promise.allSettled(this.#solved.values()); // nothing of this build runs when it is told
      throw error;
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  /** Lets go of layers and results, and of what was fetched. */
  async close(): Promise<void> {
    this.#holds.dispose();
    this.#abort.abort(new EngineError("cancelled", "the build is over"));
    await this.#sources.close();
  }

  solve(vertex: Vertex): Promise<Solved> {
    const before = this.#solved.get(vertex);
    if (before) return before;
    const work = this.#solve(vertex);
    work.catch(() => {}); // told by who waits for it
    this.#solved.set(vertex, work);
    this.#wake();
    return work;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** What became of a vertex, once it is made; undefined when the build has ended and had no need of it. */
  async until(vertex: Vertex): Promise<Solved | undefined> {
    for (;;) {
      const made = this.#solved.get(vertex);
      if (made) return made;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  /** Progress id of a vertex: the same in the whole build. */
  idOf(vertex: Vertex): string {
    const known = this.#ids.get(vertex);
    if (known !== undefined) return known;
    const id = `sha256:${createHash("sha256").update(`${this.#buildId}:${this.#ids.size}`).digest("hex")}`;
    this.#ids.set(vertex, id);
    return id;
  }

  /** `sha256:<hex>` of a stage's or context's files, for what others show. */
  folderOf(name: string): Promise<ContextTree> {
    return this.#sources.context(name);
  }

  async #solve(vertex: Vertex): Promise<Solved> {
    const { op } = vertex;
    if (op.kind === "scratch") return { layers: [], cached: true, trail: [], result: null };
    if (op.kind === "image") {
      const startedNs = nowNs();
      this.#holds.use(this.#deps.hold(op.layers.map(({ chainId }) => chainId)));
      this.#tell(vertex, { startedNs, completedNs: nowNs(), cached: true });
      return { layers: op.layers, cached: true, trail: [], result: null };
    }
    this.#signal.throwIfAborted();
    let startedNs = nowNs();
    const own = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        const placed = atVertex(error, vertex);
        this.#tell(vertex, { startedNs, completedNs: nowNs(), error: errorMessage(placed) });
        throw placed;
      }
    };
    const found = await own(() => this.#byDefinition(vertex));
    if (found) return this.#hit(vertex, found);
    await Promise.all(inputsOf(vertex).map((input) => this.solve(input)));
    startedNs = nowNs();
    return own(() => this.#byContent(vertex, startedNs));
  }

  /** A result by what the step is and what its inputs are, without making them. */
  async #byDefinition(vertex: Vertex): Promise<CachedResult | undefined> {
    if (this.#tainted(vertex)) return undefined;
    const key = await this.#definition(vertex);
    const result = this.#deps.cache.find(key);
    if (result && this.#deps.cache.isFresh(result)) return result;
    return result ? undefined : this.#imported.find([key]);
  }

  /** It, or something below it, shall be made anew: then only what was made anew says what it is. */
  #tainted(vertex: Vertex): boolean {
    const known = this.#taints.get(vertex);
    if (known !== undefined) return known;
    const tainted = vertex.ignoreCache || inputsOf(vertex).some((input) => this.#tainted(input));
    this.#taints.set(vertex, tainted); // stages may need each other many times over
    return tainted;
  }

  /** Key by definition: of files, the content of contexts; of stages, their keys. */
  #definition(vertex: Vertex): Promise<string> {
    const known = this.#definitions.get(vertex);
    if (known) return known;
    const made = this.#define(vertex);
    made.catch(() => {}); // told by who waits for it
    this.#definitions.set(vertex, made);
    return made;
  }

  async #define(vertex: Vertex): Promise<string> {
    const { op } = vertex;
    if (op.kind === "scratch") return "scratch";
    if (op.kind === "image") return keyOf("image", chainOf(op.layers));
    try {
      return await this.#key("definition", vertex, (input) => this.#definition(input), false);
    } catch (error) {
      throw atVertex(error, vertex); // its own place, not that of what is made over it
    }
  }

  /** The key of a step, its inputs named by `name`; with `content` files of stages are named by their digest. */
  async #key(
    kind: string,
    vertex: Vertex,
    name: (input: Vertex) => Promise<string>,
    content: boolean,
  ): Promise<string> {
    const { op } = vertex;
    const named = async (source: SourceOf | null, path: string): Promise<string> => {
      if (!source) return "";
      if (source.kind === "context") return this.#sources.digest(source, [path], []);
      return name(source.vertex);
    };
    if (op.kind === "run")
      return keyOf(`run-${kind}`, [
        runDefinition(op, this.#request),
        await name(op.base),
        await Promise.all(
          // what a cache holds is no part of the key
          op.mounts.map(async ({ mount, from }) => (mount.type === "bind" ? named(from, mount.source || ".") : "")),
        ),
        vertex.epochSeconds,
      ]);
    if (op.kind !== "files") return "";
    // a linked layer is the same over any base; what is made over it is not
    const base = op.link && !op.action.owner && kind !== "definition" ? "link" : await name(op.base);
    const sources: string[] = [];
    for (const source of op.action.kind === "copy" ? op.action.sources : []) {
      if (source.kind === "paths" && source.from.kind === "vertex" && !content)
        sources.push(`${await name(source.from.vertex)} ${source.patterns.join("\0")}`);
      else sources.push(await this.#sources.identity(source, op));
    }
    return keyOf(`files-${kind}`, [filesDefinition(op), base, sources, vertex.epochSeconds]);
  }

  async #byContent(vertex: Vertex, startedNs: bigint): Promise<Solved> {
    const { cache, locks } = this.#deps;
    const chains = async (input: Vertex): Promise<string> => chainOf((await this.solve(input)).layers);
    const chainKey = await this.#key("chain", vertex, chains, false);
    const contentKey = await this.#key("content", vertex, chains, true);
    using _lock = await locks.acquire(contentKey, {
      timeoutMs: sameStepTimeoutMs,
      what: vertex.name,
      signal: this.#signal,
    });
    // the same step twice in one build, of stages that begin alike: it is run once
    const twin = this.#made.get(contentKey);
    if (twin) return this.#hit(vertex, twin, startedNs);
    const definition = this.#tainted(vertex) ? [] : [await this.#definition(vertex)];
    const keys = [chainKey, contentKey, ...definition];
    const known = vertex.ignoreCache
      ? undefined
      : (cache.find(chainKey) ?? cache.find(contentKey) ?? (await this.#imported.find([chainKey, contentKey])));
    if (known) {
      const result = await this.#over(vertex, known, chainKey);
      cache.alias(result, result === known ? keys : definition);
      return this.#hit(vertex, result, startedNs);
    }
    if (this.#request.explain)
      void this.#request.report({
        kind: "explain",
        vertexId: this.idOf(vertex),
        text: explainMiss(vertex, cache, this.#request),
      });
    using _permit = await this.#deps.permits.acquire(this.#signal);
    this.#tell(vertex, { startedNs });
    const result = await this.#execute(vertex, keys);
    this.#made.set(contentKey, result);
    this.used.add(result);
    this.#holds.use(cache.use([result]));
    this.completedSteps++;
    this.#tell(vertex, { startedNs, completedNs: nowNs() });
    return { layers: result.layers, cached: false, trail: result.trail, result };
  }

  #hit(vertex: Vertex, result: CachedResult, startedNs = nowNs()): Solved {
    this.used.add(result);
    this.#holds.use(this.#deps.cache.use([result]));
    this.cachedSteps++;
    this.completedSteps++;
    this.#tell(vertex, { startedNs, completedNs: nowNs(), cached: true });
    return { layers: result.layers, cached: true, trail: result.trail, result };
  }

  async #execute(vertex: Vertex, keys: readonly string[]): Promise<CachedResult> {
    const { op } = vertex;
    if (op.kind !== "run" && op.kind !== "files") throw new EngineError("internal", `${vertex.name} is no step`);
    const base = await this.solve(op.base);
    const baseChain = base.layers.map(({ chainId }) => chainId);
    const signal = this.#signal;
    const vertexId = this.idOf(vertex);
    await using staged =
      op.kind === "run"
        ? await runStep(vertex, op, baseChain, {
            deps: this.#deps,
            request: this.#request,
            signal,
            layersOf: async (source) =>
              source.kind === "vertex" ? (await this.solve(source.vertex)).layers.map(({ chainId }) => chainId) : [],
            folderOf: async (name) => (await this.#sources.context(name)).root,
            output: (stream, bytes) =>
              this.#request.report({ kind: "log", log: { vertexId, stream, bytes, atNs: nowNs() } }),
          })
        : await changeFiles(vertex, op, baseChain, {
            deps: this.#deps,
            signal,
            ready: (source, work, undo) => this.#sources.ready(source, work, undo),
          });
    signal.throwIfAborted();
    const content = op.kind === "files" ? await this.#sources.contentName(op) : "";
    return this.#commit(vertex, staged, base, keys, content);
  }

  /** Makes the staged layer part of the store and the result part of the cache. */
  async #commit(
    vertex: Vertex,
    staged: StagedLayer,
    base: Solved,
    keys: readonly string[],
    content: string,
  ): Promise<CachedResult> {
    const { diffId, sizeBytes } = staged.applied;
    const empty = diffId === emptyTar;
    const layers = empty ? base.layers : over(base.layers, diffId);
    const chain = chainOf(layers);
    this.#holds.use(this.#deps.hold(layers.map(({ chainId }) => chainId)));
    if (!empty) await staged.commit(chain, { parent: base.layers.at(-1)?.chainId });
    fault("build.step.after-commit");
    const inputs: Record<string, string> = {};
    if (!this.#tainted(vertex))
      for (const input of inputsOf(vertex))
        if (input.op.kind === "run" || input.op.kind === "files")
          inputs[await this.#definition(input)] = chainOf((await this.solve(input)).layers);
    const trail = [...base.trail, { createdMs: Date.now(), empty, content }];
    const result = this.#deps.cache.add(
      { layers, inputs, content, trail, description: description(vertex), sizeBytes: empty ? 0 : sizeBytes },
      keys,
    );
    fault("build.step.after-row");
    return result;
  }

  /** A linked layer that was made over another base is laid over this one. */
  async #over(vertex: Vertex, known: CachedResult, chainKey: string): Promise<CachedResult> {
    const { op } = vertex;
    const own = known.layers.at(-1);
    if (op.kind !== "files" || !op.link || !own || known.trail.at(-1)?.empty) return known;
    const base = await this.solve(op.base);
    const layers = over(base.layers, own.diffId);
    const chain = chainOf(layers);
    if (chain === own.chainId) return known;
    const key = `${chainKey} over ${chain}`;
    const before = this.#deps.cache.find(key);
    if (before) return before;
    this.#holds.use(this.#deps.hold([own.chainId, ...layers.map(({ chainId }) => chainId)]));
    if (!this.#deps.layers.has(chain)) {
      await using staged = await this.#deps.layers.stage(this.#deps.layers.tar(own.chainId), { signal: this.#signal });
      await staged.commit(chain, { parent: base.layers.at(-1)?.chainId });
    }
    const { content, description: text, sizeBytes } = known;
    const trail = [...base.trail, ...known.trail.slice(-1)];
    return this.#deps.cache.add({ layers, inputs: {}, content, trail, description: text, sizeBytes }, [key]);
  }

  #tell(vertex: Vertex, status: Partial<VertexStatus>): void {
    if (vertex.op.kind === "scratch") return;
    void this.#request.report({
      kind: "vertex",
      vertex: {
        id: this.idOf(vertex),
        name: vertex.name,
        inputs: inputsOf(vertex)
          .filter((input) => input.op.kind !== "scratch")
          .map((input) => this.idOf(input)),
        startedNs: 0n,
        completedNs: 0n,
        cached: false,
        error: "",
        ...status,
      },
    });
  }
}

/** The error of a step, with its place in the file. */
function atVertex(error: unknown, vertex: Vertex): unknown {
  if (!(error instanceof EngineError) || error.detail["line"] !== undefined || !vertex.place) return error;
  return new EngineError(
    error.kind,
    error.message,
    { ...error.detail, line: vertex.place.line, vertex: vertex.name },
    { cause: error },
  );
}

/** The layers with one more on top. */
function over(base: readonly LayerRef[], diffId: string): LayerRef[] {
  const chain = chainIds([...base.map((layer) => layer.diffId), diffId]).at(-1) ?? diffId;
  return [...base, { chainId: chain, diffId }];
}

/** moby parity: what `builder du` shows of a step. */
function description(vertex: Vertex): string {
  const { op } = vertex;
  if (op.kind === "run") return `mount / from exec ${op.args.join(" ")}`;
  return vertex.name;
}
