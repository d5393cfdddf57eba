import { EngineError } from "../../base/errors.ts";
import type { OciRunConfig } from "../../spec/oci/image.ts";
import { parseReference } from "../../spec/reference.ts";
import { checkOptions, globalArgs } from "../dockerfile/arguments.ts";
import { located, parseError, SyntaxFault } from "../dockerfile/dockerfile-error.ts";
import type { Dockerfile, Instruction, Stage } from "../dockerfile/instructions.ts";
import { Lint } from "../dockerfile/lint.ts";
import { lintFile } from "../dockerfile/lint-file.ts";
import { parseInstruction } from "../dockerfile/parse.ts";
import { hostPlatform, normalPlatform } from "../dockerfile/platform-text.ts";
import { heredocsOf } from "../dockerfile/heredoc.ts";
import { didYouMean } from "../dockerfile/suggest.ts";
import { reachable, type Vertex } from "../graph.ts";
import type { BuildPlan, FrontendOptions } from "./build-plan.ts";
import { dispatch } from "./dispatch.ts";
import { readStages, type StageDraft } from "./stage-drafts.ts";
import { type BaseOfStage, splitEnv, type StageSource, StageState, type FrontendContext } from "./stage-state.ts";

// containerd's and BuildKit's default for images that set none
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const scratch: Vertex = {
  op: { kind: "scratch" },
  name: "scratch",
  place: null,
  ignoreCache: false,
  epochSeconds: null,
};

const nothing = {
  author: "",
  baseHistory: [],
  baseCreated: "",
  baseImageId: "",
  history: [],
  buildArgs: new Map<string, string | undefined>(),
  workdirIsOwn: false,
  triggers: [],
};

/**
 * Makes the graph of the stage that is wanted. Base images are resolved (and pulled), nothing else is done. Throws
 * `invalid` that names file and line.
 */
export async function toGraph(file: Dockerfile, options: FrontendOptions): Promise<BuildPlan> {
  const lint = new Lint(checkOptions(file, options.buildArgs));
  lintFile(file, lint);
  const targetPlatform = options.platform === "" ? hostPlatform : plain(() => normalPlatform(options.platform));
  const sources = { buildArgs: options.buildArgs, targetPlatform, targetStage: options.target };
  const args = globalArgs(file, sources);
  const drafts = readStages(file, { args, defaults: globalArgs(file, sources, true), lint });
  const target = findTarget(file, drafts, options.target);
  const builder = new GraphBuilder(file, options, { lint, args, drafts, targetPlatform });
  const state = await builder.state(target);
  lint.throwIfAsked();
  state.config = { ...state.config, Labels: labels(state.config.Labels, options.labels) };
  const needed = new Set(reachable(state.vertex));
  return {
    root: state.vertex,
    image: state.planned(),
    warnings: [...lint.warnings].sort((a, b) => a.line - b.line),
    contextPaths: new Map([...builder.contextPaths].map(([name, paths]) => [name, [...paths]])),
    steps: builder.states
      .filter((made) => made === state || needed.has(made.vertex))
      .sort((a, b) => a.stage.index - b.stage.index)
      .flatMap((made) => made.steps),
  };
}

/** Only reads and checks: what `--check` does, base images left alone. */
export async function checkDockerfile(
  file: Dockerfile,
  options: Omit<FrontendOptions, "resolveImage">,
): Promise<BuildPlan["warnings"]> {
  const { warnings } = await toGraph(file, {
    ...options,
    resolveImage: async (reference) => ({
      id: "",
      config: { architecture: "", os: "", rootfs: { type: "layers", diff_ids: [] } },
      chainIds: [],
      sizeBytes: 0,
      references: [reference],
      variantOf: [],
      digests: [],
      taggedAtNs: 0n,
    }),
  });
  return warnings;
}

function findTarget(file: Dockerfile, drafts: readonly StageDraft[], wanted: string): StageDraft {
  const last = drafts.at(-1);
  const found =
    wanted === ""
      ? last
      : (drafts.findLast(({ stage }) => stage.from.name === wanted.toLowerCase()) ??
        (/^\d+$/.test(wanted) ? drafts[Number(wanted)] : undefined));
  if (found) return found;
  const names = drafts.map(({ stage }) => stage.from.name).filter((name) => name !== "");
  throw new EngineError(
    "invalid",
    `target stage ${JSON.stringify(wanted)} could not be found${didYouMean(wanted, names)}`,
    { target: wanted, file: file.fileName },
  );
}

class GraphBuilder {
  readonly contextPaths = new Map<string, Set<string>>();
  readonly states: StageState[] = [];
  readonly #file: Dockerfile;
  readonly #options: FrontendOptions;
  readonly #drafts: readonly StageDraft[];
  readonly #targetPlatform: string;
  readonly #context: FrontendContext;
  readonly #made = new Map<StageDraft, Promise<StageState>>();
  readonly #settled = new Map<StageDraft, StageState>();
  /** Images that `--from` names, by name. */
  readonly #images = new Map<string, Vertex>();

  constructor(
    file: Dockerfile,
    options: FrontendOptions,
    shared: Pick<FrontendContext, "lint" | "args"> & { drafts: readonly StageDraft[]; targetPlatform: string },
  ) {
    this.#file = file;
    this.#options = options;
    this.#drafts = shared.drafts;
    this.#targetPlatform = shared.targetPlatform;
    this.#context = {
      file,
      options,
      args: shared.args,
      lint: shared.lint,
      epochSeconds: epoch(options.buildArgs.get("SOURCE_DATE_EPOCH") ?? shared.args.values.get("SOURCE_DATE_EPOCH")),
      contextPaths: this.contextPaths,
      source: (from, before) => this.#source(from, before),
    };
  }

  /** The stage with all that it needs, made once. */
  state(draft: StageDraft, path: readonly StageDraft[] = []): Promise<StageState> {
    if (path.includes(draft))
      throw parseError(
        this.#file.fileName,
        draft.stage.from,
        `circular dependency detected on stage: ${draft.shownName || draft.stage.from.name || String(draft.stage.index)}`,
      );
    const before = this.#made.get(draft);
    if (before) return before;
    const made = this.#make(draft, [...path, draft]);
    made.catch(() => {}); // told by who waits for it
    this.#made.set(draft, made);
    return made;
  }

  async #make(draft: StageDraft, path: readonly StageDraft[]): Promise<StageState> {
    const { stage } = draft;
    const platform = draft.platform || this.#targetPlatform;
    const base = await this.#base(draft, platform, path);
    const triggers = base.triggers.map((text) => this.#trigger(text, stage));
    const own = stage.instructions;
    const all = [...triggers, ...own];
    await this.#needs(all, draft, platform, path);
    const fromIsStep = base.vertex.op.kind !== "scratch" && draft.baseStage === undefined;
    const state = new StageState({
      context: this.#context,
      stage,
      shownName: draft.shownName,
      platform,
      base,
      total: all.filter(makesVertex).length + (fromIsStep ? 1 : 0),
    });
    if (fromIsStep) {
      state.count();
      state.vertex = fromVertex(state, draft);
    }
    if (!(state.config.Env ?? []).some((row) => splitEnv(row)[0] === "PATH"))
      state.config = { ...state.config, Env: [...(state.config.Env ?? []), defaultPath] };
    state.steps.push(step(state, stage.from, { onBuild: false, triggers: triggers.length }));
    for (const instruction of all) {
      located(this.#file.fileName, instruction, () => dispatch(state, instruction));
      state.steps.push(step(state, instruction, { onBuild: triggers.includes(instruction), triggers: 0 }));
    }
    this.#settled.set(draft, state);
    this.states.push(state);
    return state;
  }

  async #base(draft: StageDraft, platform: string, path: readonly StageDraft[]): Promise<BaseOfStage> {
    const { from } = draft.stage;
    const named = this.#options.contexts.get(from.name) ?? this.#options.contexts.get(draft.base.toLowerCase());
    const name = this.#options.contexts.has(from.name) ? from.name : draft.base.toLowerCase();
    if (named?.kind === "files") return { ...nothing, vertex: this.#wholeContext(name, from), config: {} };
    if (named === undefined && draft.baseStage !== undefined) {
      const below = await this.state(draft.baseStage, path);
      const { OnBuild, ...config } = below.config;
      return {
        vertex: below.vertex,
        config,
        author: below.author,
        baseHistory: below.baseHistory,
        baseCreated: below.baseCreated,
        baseImageId: below.baseImageId,
        history: below.history,
        buildArgs: below.buildArgs,
        workdirIsOwn: below.workdirIsOwn,
        triggers: OnBuild ?? [],
      };
    }
    if (named === undefined && draft.base === "scratch") return { ...nothing, vertex: scratch, config: {} };
    const reference = named?.reference ?? draft.base;
    const image = await this.#image(reference, platform, from, () =>
      didYouMean(
        draft.base,
        this.#drafts.map(({ stage }) => stage.from.name).filter((known) => known !== ""),
      ),
    );
    const { OnBuild, ...config } = (image.config.config ?? {}) as OciRunConfig;
    const actual = [image.config.os, image.config.architecture].join("/");
    if (image.id !== "" && !`${platform}/`.startsWith(`${actual}/`))
      this.#context.lint.report(
        "InvalidBaseImagePlatform",
        `Base image ${draft.base} was pulled with platform ${JSON.stringify(actual)}, expected ${JSON.stringify(platform)} for current build`,
        from,
      );
    return {
      ...nothing,
      vertex: imageVertex(reference, image, `[internal] ${reference}`),
      config,
      author: image.config.author ?? "",
      baseHistory: image.config.history ?? [],
      baseCreated: image.config.created ?? "",
      baseImageId: image.id,
      triggers: OnBuild ?? [],
    };
  }

  async #image(
    reference: string,
    platform: string,
    at: Instruction,
    hint: () => string,
  ): ReturnType<FrontendOptions["resolveImage"]> {
    try {
      return await this.#options.resolveImage(reference, platform);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === "cancelled") throw error;
      throw new EngineError(
        error.kind,
        `${this.#file.fileName}:${at.line}: ${reference}: ${error.message}${hint()}`,
        { ...error.detail, file: this.#file.fileName, line: at.line },
        { cause: error },
      );
    }
  }

  /** Makes the stages and resolves the images that the instructions name. */
  async #needs(
    instructions: readonly Instruction[],
    draft: StageDraft,
    platform: string,
    path: readonly StageDraft[],
  ): Promise<void> {
    await Promise.all(
      instructions.flatMap((instruction) =>
        fromNames(instruction).map(async (name) => {
          if (this.#options.contexts.has(name.toLowerCase()) && this.#named(name)?.kind === "files") return;
          const stage = this.#find(name);
          if (stage) {
            if (!path.includes(stage) && stage.stage.index > draft.stage.index)
              throw parseError(
                this.#file.fileName,
                instruction,
                `cannot copy from stage ${JSON.stringify(name)}, it needs to be defined before current stage ${JSON.stringify(draft.shownName)}`,
              );
            await this.state(stage, path);
            return;
          }
          if (this.#images.has(name) || name === "scratch") return;
          if (/^\d+$/.test(name)) throw parseError(this.#file.fileName, instruction, `invalid stage index ${name}`);
          if (/\$/.test(name))
            throw parseError(
              this.#file.fileName,
              instruction,
              "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
            );
          located(this.#file.fileName, instruction, () =>
            plain(() => parseReference(this.#named(name)?.reference ?? name)),
          );
          const reference = this.#named(name)?.reference ?? name;
          const image = await this.#image(reference, platform, instruction, () => didYouMean(name, this.#names()));
          this.#images.set(name, imageVertex(reference, image, `FROM ${reference}`));
        }),
      ),
    );
  }

  #named(name: string): { kind: "image"; reference: string } | { kind: "files"; reference?: undefined } | undefined {
    return this.#options.contexts.get(name.toLowerCase());
  }

  #names(): string[] {
    return this.#drafts.map(({ stage }) => stage.from.name).filter((name) => name !== "");
  }

  #find(name: string): StageDraft | undefined {
    const named = this.#drafts.findLast(({ stage }) => stage.from.name === name.toLowerCase());
    if (named || !/^\d+$/.test(name)) return named;
    return this.#drafts[Number(name)];
  }

  #source(from: string, before: StageState): StageSource {
    if (this.#named(from)?.kind === "files") {
      return { kind: "context", name: from.toLowerCase() };
    }
    const draft = this.#find(from);
    const state = draft && this.#settled.get(draft);
    if (state) return { kind: "vertex", vertex: state.vertex };
    if (from === "scratch") return { kind: "vertex", vertex: scratch };
    const image = this.#images.get(from);
    if (image) return { kind: "vertex", vertex: image };
    throw new SyntaxFault(
      `cannot copy from stage ${JSON.stringify(from)}, it needs to be defined before current stage ${JSON.stringify(before.shownName)}`,
    );
  }

  /** A named context as the base of a stage: all its files over nothing. */
  #wholeContext(name: string, at: Instruction): Vertex {
    this.contextPaths.set(name, new Set(["."]));
    return {
      op: {
        kind: "files",
        base: scratch,
        link: false,
        action: {
          kind: "copy",
          instruction: "COPY",
          sources: [{ kind: "paths", from: { kind: "context", name }, patterns: ["."], unpack: false }],
          destination: "/",
          owner: "",
          mode: "",
          parents: false,
          excludes: [],
        },
      },
      name: `[context ${name}] load ${name}`,
      place: { line: at.line, endLine: at.endLine },
      ignoreCache: false,
      epochSeconds: this.#context.epochSeconds,
    };
  }

  /** An ONBUILD of the base, at the place of FROM. */
  #trigger(text: string, stage: Stage): Instruction {
    const [first = "", ...rest] = text.split("\n");
    const { from } = stage;
    return located(this.#file.fileName, from, () => {
      const opened = heredocsOf(first, "\\");
      let body = rest.join("\n");
      const heredocs = opened.map((heredoc) => {
        const end = `\n${body}`.indexOf(`\n${heredoc.name}`);
        const content = end < 0 ? body : body.slice(0, end);
        body = end < 0 ? "" : body.slice(end + heredoc.name.length + 1);
        return { ...heredoc, content };
      });
      const line = opened.length > 0 ? first : text;
      const { line: at, endLine } = from;
      return parseInstruction({ text: line, line: at, endLine, comments: [], heredocs }, "\\");
    });
  }
}

function imageVertex(
  reference: string,
  image: Awaited<ReturnType<FrontendOptions["resolveImage"]>>,
  name: string,
): Vertex {
  const diffIds = image.config.rootfs.diff_ids;
  return {
    op: {
      kind: "image",
      reference,
      imageId: image.id,
      layers: image.chainIds.map((chainId, index) => ({ chainId, diffId: diffIds[index] ?? "" })),
    },
    name,
    place: null,
    ignoreCache: false,
    epochSeconds: null,
  };
}

function fromVertex(state: StageState, draft: StageDraft): Vertex {
  const { from } = draft.stage;
  return {
    ...state.vertex,
    name: `[${state.shownName === "" ? "" : `${state.shownName} `}1/${countOf(state, draft)}] FROM ${draft.base}`,
    place: { line: from.line, endLine: from.endLine },
  };
}

const countOf = (_state: StageState, draft: StageDraft): number =>
  draft.stage.instructions.filter(makesVertex).length + 1;

function makesVertex({ kind }: Instruction): boolean {
  return kind === "run" || kind === "copy" || kind === "add" || kind === "workdir";
}

function step(
  state: StageState,
  instruction: Instruction,
  extra: { onBuild: boolean; triggers: number },
): StageState["steps"][number] {
  const before = state.steps.at(-1)?.vertex;
  return {
    ...extra,
    text: instruction.text,
    line: instruction.line,
    endLine: instruction.endLine,
    vertex: state.vertex,
    makesLayer: before !== undefined && before !== state.vertex,
    image: state.planned(),
  };
}

/** What `--from` of an instruction names. */
function fromNames(instruction: Instruction): string[] {
  if (instruction.kind === "copy") return instruction.from === "" ? [] : [instruction.from];
  if (instruction.kind !== "run") return [];
  return instruction.mounts.flatMap((mount) => {
    const name = /(?:^|,)from=([^,]+)/.exec(mount)?.[1];
    return name === undefined ? [] : [name];
  });
}

function labels(
  own: Record<string, string> | null | undefined,
  added: Readonly<Record<string, string>>,
): Record<string, string> | null {
  const all = { ...own, ...added };
  return Object.keys(all).length === 0 ? null : all;
}

/** A SyntaxFault of what is no part of the file. */
function plain<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SyntaxFault) throw new EngineError("invalid", error.message);
    throw error;
  }
}

function epoch(text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  if (!/^\d{1,12}$/.test(text))
    throw new EngineError("invalid", `invalid SOURCE_DATE_EPOCH: ${text}: it is seconds since 1970`);
  return Number(text);
}
