import { EngineError } from "../../base/errors.ts";
import type { BuildRequest } from "../build.ts";
import type { LayerRef } from "../cache/build-cache.ts";
import type { ContextTree } from "../context/build-context.ts";
import type { SelectionDigest } from "../files/digest-tree.ts";
import type { CopySource, FilesOp, SourceOf, Vertex } from "../graph.ts";
import { textSource, type ReadySource } from "../ops/files.ts";
import { Remotes } from "../ops/remotes.ts";
import { WorkFolder } from "../ops/work-folder.ts";
import { newId } from "../../base/id.ts";
import { sha256 } from "../../images/chain-id.ts";
import type { SolverDeps } from "./solver-deps.ts";

/** Where steps get files from: contexts, stages, here-documents, the network. Each is brought here at most once. */
export class SourceReader {
  readonly #deps: SolverDeps;
  readonly #request: BuildRequest;
  readonly #signal: AbortSignal;
  readonly #contextPaths: ReadonlyMap<string, readonly string[]>;
  readonly #solve: (vertex: Vertex) => Promise<readonly LayerRef[]>;
  readonly #contexts = new Map<string, Promise<ContextTree>>();
  readonly #digests = new Map<string, Promise<SelectionDigest>>();
  readonly #remotes: Remotes;

  constructor(options: {
    deps: SolverDeps;
    request: BuildRequest;
    signal: AbortSignal;
    contextPaths: ReadonlyMap<string, readonly string[]>;
    solve: (vertex: Vertex) => Promise<readonly LayerRef[]>;
  }) {
    this.#deps = options.deps;
    this.#request = options.request;
    this.#signal = options.signal;
    this.#contextPaths = options.contextPaths;
    this.#solve = options.solve;
    const { spoolRoot, proxies } = options.deps;
    this.#remotes = new Remotes({ spoolRoot, signal: options.signal, proxies: proxies() });
  }

  /** Removes what was fetched for the build. */
  close(): Promise<void> {
    return this.#remotes[Symbol.asyncDispose]();
  }

  /** The folder of a context, all that the build reads of it fetched. */
  context(name: string): Promise<ContextTree> {
    const known = this.#contexts.get(name);
    if (known) return known;
    const context = this.#request.contexts.get(name);
    const tree = context
      ? context.fetch(this.#contextPaths.get(name) ?? ["."], this.#signal)
      : Promise.reject(
          new EngineError(
            "invalid",
            name === "" ? "the build has no context: nothing can be copied from it" : `no build context named ${name}`,
          ),
        );
    tree.catch(() => {}); // told by who waits for it
    this.#contexts.set(name, tree);
    return tree;
  }

  /** Digest of the selected files of a context or stage. */
  async digest(source: SourceOf, patterns: readonly string[], excludes: readonly string[]): Promise<string> {
    return (await this.#digestOf(source, { patterns, excludes, parents: false })).digest;
  }

  /** What names a source of a COPY or ADD by its content. */
  async identity(source: CopySource, op: FilesOp): Promise<string> {
    switch (source.kind) {
      case "text":
        return sha256(source.content);
      case "url":
        return this.#remotes.urlIdentity(source);
      case "git":
        return this.#remotes.gitIdentity(source);
      case "paths":
        return (await this.#digestOf(source.from, this.#selection(source, op))).digest;
    }
  }

  /** `file:<hash>`, as the classic builder's history names what was copied. */
  async contentName(op: FilesOp): Promise<string> {
    const { action } = op;
    if (action.kind !== "copy") return "";
    const names = await Promise.all(
      action.sources.map(async (source) => {
        if (source.kind !== "paths") return `file:${(await this.identity(source, op)).replace(/^.*:/, "")}`;
        const { shape, digest } = await this.#digestOf(source.from, this.#selection(source, op));
        return `${shape}:${digest}`;
      }),
    );
    return names.length === 1 ? (names[0] ?? "") : `multi:${sha256(names.join(",")).slice(7)}`;
  }

  /** A source as a folder of this host. */
  async ready(source: CopySource, work: WorkFolder, undo: AsyncDisposableStack): Promise<ReadySource> {
    switch (source.kind) {
      case "text":
        return textSource(source.name, source.content, work);
      case "url":
        return { ...(await this.#remotes.download(source)), unpack: source.unpack };
      case "git":
        return { ...(await this.#remotes.checkout(source)), unpack: false };
      case "paths": {
        const { patterns, unpack } = source;
        if (source.from.kind === "context")
          return { root: (await this.context(source.from.name)).root, patterns, unpack };
        const root = await work.folder();
        undo.defer(() => this.#deps.layers.unmount(root));
        await this.#deps.layers.view(await this.#chain(source.from.vertex), root);
        return { root, patterns, unpack };
      }
    }
  }

  #selection(
    source: CopySource & { kind: "paths" },
    { action }: FilesOp,
  ): { patterns: readonly string[]; excludes: readonly string[]; parents: boolean } {
    return action.kind === "copy"
      ? { patterns: source.patterns, excludes: action.excludes, parents: action.parents }
      : { patterns: source.patterns, excludes: [], parents: false };
  }

  async #chain(vertex: Vertex): Promise<string[]> {
    return (await this.#solve(vertex)).map(({ chainId }) => chainId);
  }

  async #digestOf(
    source: SourceOf,
    selection: { patterns: readonly string[]; excludes: readonly string[]; parents: boolean },
  ): Promise<SelectionDigest> {
    const chain = source.kind === "vertex" ? await this.#chain(source.vertex) : [];
    const key = JSON.stringify([source.kind === "vertex" ? chain : source.name, selection]);
    const known = this.#digests.get(key);
    if (known) return known;
    const made =
      source.kind === "context" ? this.#contextDigest(source.name, selection) : this.#stageDigest(chain, selection);
    made.catch(() => {}); // told by who waits for it
    this.#digests.set(key, made);
    return made;
  }

  async #contextDigest(
    name: string,
    selection: Parameters<SolverDeps["trees"]["digest"]>[1],
  ): Promise<SelectionDigest> {
    const { root, knownFile } = await this.context(name);
    return this.#deps.trees.digest(root, selection, knownFile);
  }

  async #stageDigest(
    chain: readonly string[],
    selection: Parameters<SolverDeps["trees"]["digest"]>[1],
  ): Promise<SelectionDigest> {
    await using work = await WorkFolder.make(this.#deps.workRoot, newId());
    const root = await work.folder();
    await this.#deps.layers.view(chain, root);
    try {
      return await this.#deps.trees.digest(root, selection);
    } finally {
      await this.#deps.layers.unmount(root);
    }
  }
}
