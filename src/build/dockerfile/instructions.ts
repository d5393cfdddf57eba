import type { Place } from "./dockerfile-error.ts";
import type { Heredoc } from "./heredoc.ts";
import type { Pair } from "./words.ts";

/** One instruction as it was written: flags read, nothing expanded. */
export type Instruction = Place & {
  /** The word as written: `Run`. */
  readonly word: string;
  /** The whole instruction in one line, without its here-documents. */
  readonly text: string;
  readonly comments: readonly string[];
} & InstructionBody;

export type InstructionBody =
  | AddInstruction
  | CopyInstruction
  | RunInstruction
  | { readonly kind: "arg"; readonly args: readonly ArgDeclaration[] }
  | { readonly kind: "env" | "label"; readonly pairs: readonly Pair[] }
  | ({ readonly kind: "cmd" | "entrypoint" } & ShellOrExec)
  | { readonly kind: "expose" | "volume"; readonly values: readonly string[] }
  | { readonly kind: "workdir" | "user" | "stopsignal" | "maintainer"; readonly value: string }
  | { readonly kind: "shell"; readonly values: readonly string[] }
  | { readonly kind: "onbuild"; readonly trigger: string }
  | { readonly kind: "healthcheck"; readonly health: Healthcheck }
  | FromInstruction;

/** Shell form is one text for the shell; exec form is a list of arguments. */
export interface ShellOrExec {
  readonly shellForm: boolean;
  readonly args: readonly string[];
}

export interface FromInstruction {
  readonly kind: "from";
  readonly base: string;
  /** Lower case; empty without `AS`. */
  readonly name: string;
  /** The name as written, and the word `as` as written: for lint. */
  readonly writtenName: string;
  readonly asWord: string;
  readonly platform: string;
}

export interface ArgDeclaration {
  readonly key: string;
  /** undefined = declared without a value. */
  readonly value: string | undefined;
}

interface Transfer {
  readonly sources: readonly string[];
  /** Here-documents among the sources. */
  readonly inline: readonly Heredoc[];
  readonly destination: string;
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly excludes: readonly string[];
}

export interface CopyInstruction extends Transfer {
  readonly kind: "copy";
  readonly from: string;
}

export interface AddInstruction extends Transfer {
  readonly kind: "add";
  readonly checksum: string;
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
}

export interface RunInstruction extends ShellOrExec {
  readonly kind: "run";
  readonly heredocs: readonly Heredoc[];
  /** Values of `--mount`, variables not yet expanded. */
  readonly mounts: readonly string[];
  readonly network: string;
  readonly security: string;
}

export interface Healthcheck {
  /** `CMD`, `CMD-SHELL` or `NONE` first. */
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}

/** A stage: its FROM and what follows. */
export interface Stage {
  readonly index: number;
  readonly from: Instruction & FromInstruction;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly fileName: string;
  readonly escape: string;
  readonly syntax: string;
  readonly check: string;
  readonly checkLine: number;
  /** ARG before the first FROM. */
  readonly globalArgs: readonly (Instruction & { readonly kind: "arg" })[];
  readonly stages: readonly Stage[];
  /** Lines of instructions with an empty continuation line. */
  readonly emptyContinuations: readonly Place[];
}
