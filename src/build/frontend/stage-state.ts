import type { OciHistory, OciRunConfig } from "../../spec/oci/image.ts";
import type { Dockerfile, Instruction, Stage } from "../dockerfile/instructions.ts";
import type { Lint } from "../dockerfile/lint.ts";
import type { GlobalArgs } from "../dockerfile/arguments.ts";
import type { Op, Vertex } from "../graph.ts";
import type { FrontendOptions, HistoryStep, PlannedImage, PlannedStep } from "./build-plan.ts";

/** What all stages of one build share. */
export interface FrontendContext {
  readonly file: Dockerfile;
  readonly options: FrontendOptions;
  readonly args: GlobalArgs;
  readonly lint: Lint;
  readonly epochSeconds: number | null;
  readonly contextPaths: Map<string, Set<string>>;
  /** A stage that was made, a named context, or an image, by what `--from` says. */
  readonly source: (from: string, before: StageState) => StageSource;
}

export type StageSource =
  | { readonly kind: "vertex"; readonly vertex: Vertex }
  | { readonly kind: "context"; readonly name: string };

/** A stage while its instructions are gone through. */
export class StageState {
  readonly context: FrontendContext;
  readonly stage: Stage;
  /** As progress shows it: its name or `stage-2`; empty when the file has one stage. */
  readonly shownName: string;
  readonly platform: string;
  config: OciRunConfig;
  author = "";
  vertex: Vertex;
  readonly baseHistory: readonly OciHistory[];
  readonly baseCreated: string;
  readonly baseImageId: string;
  readonly history: HistoryStep[] = [];
  /** Build arguments in scope, in the order of their declaration. */
  readonly buildArgs: Map<string, string | undefined>;
  readonly steps: PlannedStep[] = [];
  commandIsOwn = false;
  workdirIsOwn = false;
  #done = 0;
  readonly #total: number;

  constructor(options: {
    context: FrontendContext;
    stage: Stage;
    shownName: string;
    platform: string;
    base: BaseOfStage;
    /** Vertices that will be made, for `2/5`. */
    total: number;
  }) {
    const { base } = options;
    this.context = options.context;
    this.stage = options.stage;
    this.shownName = options.shownName;
    this.platform = options.platform;
    this.#total = options.total;
    this.vertex = base.vertex;
    this.config = structuredClone(base.config);
    this.author = base.author;
    this.baseHistory = base.baseHistory;
    this.baseCreated = base.baseCreated;
    this.baseImageId = base.baseImageId;
    this.history.push(...base.history);
    this.buildArgs = new Map(base.buildArgs);
    this.workdirIsOwn = base.workdirIsOwn;
  }

  /** Value of a variable as instructions see it: ENV beats ARG. */
  lookup = (name: string): string | undefined => this.env().get(name) ?? this.buildArgs.get(name);

  env(): Map<string, string> {
    return new Map((this.config.Env ?? []).map((row) => splitEnv(row)));
  }

  setEnv(key: string, value: string): void {
    const rows = [...(this.config.Env ?? [])];
    const at = rows.findIndex((row) => splitEnv(row)[0] === key);
    if (at < 0) rows.push(`${key}=${value}`);
    else rows[at] = `${key}=${value}`;
    this.config = { ...this.config, Env: rows };
  }

  /** Names that variables may have here, for suggestions. */
  names(): string[] {
    return [...this.env().keys(), ...this.buildArgs.keys()];
  }

  /** Puts a new vertex on top of the stage. */
  add(op: Op, title: string, instruction: Instruction): Vertex {
    this.vertex = this.make(op, title, instruction);
    return this.vertex;
  }

  make(op: Op, title: string, instruction: Instruction): Vertex {
    const { noCache } = this.context.options;
    const count = `${++this.#done}/${this.#total}`;
    return {
      op,
      name: `[${this.shownName === "" ? "" : `${this.shownName} `}${count}] ${title}`,
      place: { line: instruction.line, endLine: instruction.endLine },
      ignoreCache: noCache === "all" || noCache.includes(this.stage.from.name),
      epochSeconds: this.context.epochSeconds,
    };
  }

  /** The next count, for the vertex of FROM. */
  count(): void {
    this.#done++;
  }

  addHistory(step: HistoryStep): void {
    this.history.push(step);
  }

  planned(): PlannedImage {
    return {
      config: structuredClone(this.config),
      author: this.author,
      platform: this.platform,
      baseHistory: this.baseHistory,
      baseCreated: this.baseCreated,
      baseImageId: this.baseImageId,
      history: [...this.history],
    };
  }
}

/** What FROM gives to a stage. */
export interface BaseOfStage {
  readonly vertex: Vertex;
  readonly config: OciRunConfig;
  readonly author: string;
  readonly baseHistory: readonly OciHistory[];
  readonly baseCreated: string;
  readonly baseImageId: string;
  readonly history: readonly HistoryStep[];
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly workdirIsOwn: boolean;
  /** ONBUILD of the base. */
  readonly triggers: readonly string[];
}

export function splitEnv(row: string): [string, string] {
  const equals = row.indexOf("=");
  return equals < 0 ? [row, ""] : [row.slice(0, equals), row.slice(equals + 1)];
}
