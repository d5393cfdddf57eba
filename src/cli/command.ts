import type { EngineClient } from "../client/engine-client.ts";

/** How a flag is written and what it becomes. Texts of errors are pflag's, which scripts match on. */
export type FlagType = "bool" | "string" | "int" | "float" | "list" | "stringArray" | "duration" | "bytes";

export interface FlagRow {
  readonly type: FlagType;
  /** One letter. */
  readonly short?: string;
  readonly help: string;
  /** Word shown for the value in help; docker's (`list`, `string`, `bytes`, ...) when absent. */
  readonly valueName?: string;
  readonly default?: string | number | boolean;
  /** The default as help shows it, where that is not the value itself: `[]`, `map[]`, `0s`. */
  readonly defaultText?: string;
  /** Judges one value while flags are read; what it throws becomes `invalid argument "x" for "--flag" flag: <message>`. */
  readonly check?: (value: string) => void;
  /** Candidates for completion. */
  readonly complete?: Completer;
  readonly hidden?: boolean;
  readonly deprecated?: string;
}
export type FlagTable = Readonly<Record<string, FlagRow>>;

export type Completer =
  | "container"
  | "running-container"
  | "stopped-container"
  | "image"
  | "network"
  | "volume"
  | "file"
  | readonly string[];

/** The value a flag row gives. Without a default, an unset scalar is undefined; lists are empty. */
export type FlagValue<Row extends FlagRow> = Row["type"] extends "list" | "stringArray"
  ? string[]
  : Row["type"] extends "bool"
    ? boolean
    : Row["type"] extends "int" | "float" | "bytes"
      ? Row extends { default: number }
        ? number
        : number | undefined
      : Row extends { default: string }
        ? string
        : string | undefined;

export type FlagValues<Flags extends FlagTable> = { readonly [Name in keyof Flags]: FlagValue<Flags[Name]> };

/** What a command's run gets besides its flags. */
export interface CommandContext {
  readonly engine: EngineClient;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires on ^C and SIGTERM. Handlers are set at the first look at it: a command that never looks dies as usual. */
  readonly signal: AbortSignal;
  /** `berth`, or `docker` when started by that name. */
  readonly program: string;
  /** The path as typed: `ps` or `container ls`. */
  readonly invoked: string;
  /** Where config.json and contexts are: --config, DOCKER_CONFIG or ~/.docker. */
  readonly configDir: string;
  /** The context in use; `default` where a host is given. */
  readonly contextName: string;
}

export interface Command<Flags extends FlagTable = FlagTable> {
  /** `container ls`. */
  readonly path: string;
  /** Other full paths: `ps`, `container list`, `container ps`. */
  readonly aliases?: readonly string[];
  /** Usage of the arguments, docker's words: `CONTAINER [CONTAINER...]`. */
  readonly args: string;
  /** Checked before run, with docker's texts ("docker rm" requires at least 1 argument.). */
  readonly arity: {
    readonly min: number;
    readonly max: number;
    /** A flag with which no argument is needed. */
    readonly noneWith?: string;
  };
  readonly summary: string;
  /** Stops flag parsing at the first argument (`run`, `exec`). */
  readonly stopAtFirstArgument?: boolean;
  /** Further usage lines after the first (`cp` has two). */
  readonly usage?: readonly string[];
  /** A failure of status 125 to 127 reads `docker: <message>` with a hint (`run`, `create`). */
  readonly failsAs125?: boolean;
  readonly hidden?: boolean;
  readonly flags: Flags;
  readonly complete?: Completer;
  /** Gives the exit status; undefined is 0. */
  run(
    options: { flags: FlagValues<Flags>; args: readonly string[]; set: ReadonlySet<keyof Flags> } & CommandContext,
  ): Promise<number | void>;
}

/** Ties the flags' types to run. */
export const command = <const Flags extends FlagTable>(declared: Command<Flags>): Command<Flags> => declared;
