import { basename } from "node:path";
import { connect } from "../client/connect.ts";
import type { EngineClient } from "../client/engine-client.ts";
import type { Command } from "./command.ts";
import { findCommand, groups } from "./commands.ts";
import { ExitError } from "./exit-error.ts";
import { describeFailure } from "./failure.ts";
import { globalFlags } from "./global-flags.ts";
import { configFolder, currentContext, resolveEndpoint, type HostFlags } from "./host.ts";
import { checkArity, usageHint, type Invocation } from "./invocation.ts";
import { lightInput } from "./light-input.ts";
import { lightOutput } from "./light-output.ts";
import { FlagError, parseFlags } from "./parse.ts";

const stdout = lightOutput(1);
const stderr = lightOutput(2);

/** Runs one command line (without the program's name) and gives its exit status; all output is written by then. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = basename(process.argv0) === "docker" ? "docker" : "berth";
  let status: number;
  try {
    status = await dispatch(program, argv);
  } catch (error) {
    const failure = describeFailure(error, "");
    if (failure.message !== "") stderr.write(`${failure.message}\n`);
    status = failure.status;
  }
  await Promise.all([flushed(stdout), flushed(stderr)]);
  return status;
}

async function dispatch(program: string, argv: readonly string[]): Promise<number> {
  const global = readGlobalFlags(program, argv);
  const values = global.values as unknown as HostFlags & { config?: string; version: boolean; "log-level": string };
  if (values.version) {
    const { versionLine } = await import("./version-line.ts");
    stdout.write(versionLine(program));
    return 0;
  }
  if (!/^(|trace|debug|info|warn|warning|error|fatal|panic)$/i.test(values["log-level"])) {
    throw new ExitError(1, `Unable to parse logging level: ${values["log-level"]}`);
  }
  const [first, second] = global.args;
  if (first === undefined || global.help) return showRootHelp(program);
  if (first === "help") return showHelp(program, global.args.slice(1));
  if (first === "__complete" || first === "__completeNoDesc") {
    const { answerCompletion } = await import("./completion/answer.ts");
    const context = new Context(values, program, first);
    return answerCompletion(global.args, () => context.engine, stdout).finally(() => context.close());
  }
  const grouped = Object.hasOwn(groups, first);
  if (grouped && (second === undefined || second === "--help" || second === "-h")) return showGroupHelp(program, first);
  const path = grouped ? `${first} ${second}` : first;
  const load = findCommand(path);
  if (load === undefined) throw unknownCommand(program, path, grouped ? first : undefined);
  const invocation: Invocation = { program, path, command: await load() };
  return runCommand(invocation, global.args.slice(grouped ? 2 : 1), values);
}

function readGlobalFlags(program: string, argv: readonly string[]): ReturnType<typeof parseFlags> {
  try {
    return parseFlags(globalFlags, argv, { stopAtFirstArgument: true });
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new ExitError(
      125,
      `${error.message}\n\nUsage:  ${program} [OPTIONS] COMMAND [ARG...]\n\nRun '${program} --help' for more information`,
    );
  }
}

/** Docker's groups and commands that this program does not have yet. */
const notYet =
  /^(build|builder|buildx|checkpoint|compose|config|image build|node|plugin|scout|secret|service|stack|swarm|trust)\b/;

function unknownCommand(program: string, path: string, group: string | undefined): ExitError {
  if (notYet.test(path)) return new ExitError(1, `${program}: ${path} is not available yet`);
  const where = group === undefined ? program : `${program} ${group}`;
  const usage = group === undefined ? "" : `Usage:  ${where}\n\n`;
  return new ExitError(
    1,
    `${program}: unknown command: ${program} ${path}\n\n${usage}Run '${where} --help' for more information`,
  );
}

async function runCommand(
  invocation: Invocation,
  argv: readonly string[],
  flags: HostFlags & { config?: string },
): Promise<number> {
  const { command, program, path } = invocation;
  const parsed = readFlags(invocation, argv);
  if (parsed.help) {
    if (parsed.shortHelp) stderr.write("Flag shorthand -h has been deprecated, use --help\n");
    const { commandHelp } = await import("./help.ts");
    stdout.write(commandHelp(invocation, stdout.columns));
    return 0;
  }
  for (const name of parsed.set) {
    const reason = command.flags[name]?.deprecated;
    if (reason !== undefined) stderr.write(`Flag --${name} has been deprecated, ${reason}\n`);
  }
  checkArity(invocation, parsed.args.length, parsed.set);
  const context = new Context(flags, program, path);
  try {
    const run = { flags: parsed.values, args: parsed.args, set: parsed.set };
    return (await command.run(Object.assign(context, run) as unknown as Parameters<Command["run"]>[0])) ?? 0;
  } catch (error) {
    throw report(error, invocation, context.endpointHost);
  } finally {
    context.close();
  }
}

/** The whole text of a failed command, with docker's prefix and hint for `run` and `create`. */
function report(error: unknown, { command, program, path }: Invocation, host: string): ExitError {
  const failure = describeFailure(error, host);
  if (command.failsAs125 !== true || failure.status < 125 || failure.message === "")
    return new ExitError(failure.status, failure.message);
  return new ExitError(
    failure.status,
    `${program}: ${failure.message}\n\nRun '${program} ${path} --help' for more information`,
  );
}

function readFlags(invocation: Invocation, argv: readonly string[]): ReturnType<typeof parseFlags> {
  try {
    return parseFlags(invocation.command.flags, argv, {
      stopAtFirstArgument: invocation.command.stopAtFirstArgument === true,
    });
  } catch (error) {
    if (error instanceof FlagError) throw new ExitError(125, error.message + usageHint(invocation));
    throw error;
  }
}

/** What commands get; the connection and signal handlers are made when first looked at. */
class Context {
  readonly stdin = lightInput();
  readonly stdout = stdout;
  readonly stderr = stderr;
  readonly env = process.env;
  readonly configDir: string;
  readonly program: string;
  readonly invoked: string;
  readonly #flags: HostFlags;
  #engine: EngineClient | undefined;
  #signal: AbortSignal | undefined;

  constructor(flags: HostFlags & { config?: string }, program: string, invoked: string) {
    this.#flags = flags;
    this.program = program;
    this.invoked = invoked;
    this.configDir = configFolder(flags.config, process.env);
  }

  get engine(): EngineClient {
    this.#engine ??= connect(resolveEndpoint(this.#flags, this.env, this.configDir), {
      version: this.env["DOCKER_API_VERSION"],
    });
    return this.#engine;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController();
      for (const name of ["SIGINT", "SIGTERM"] as const)
        process.once(name, () => controller.abort(new ExitError(name === "SIGINT" ? 130 : 143)));
      this.#signal = controller.signal;
    }
    return this.#signal;
  }

  get contextName(): string {
    return currentContext(this.#flags, this.env, this.configDir);
  }

  /** For the text of connection errors; empty as long as nobody asked for the engine. */
  get endpointHost(): string {
    return this.#engine?.host ?? "";
  }

  close(): void {
    this.#engine?.close();
  }
}

async function showRootHelp(program: string): Promise<number> {
  const { rootHelp } = await import("./help.ts");
  stdout.write(await rootHelp(program, stdout.columns));
  return 0;
}

async function showGroupHelp(program: string, group: string): Promise<number> {
  const { groupHelp } = await import("./help.ts");
  stdout.write(await groupHelp(program, group));
  return 0;
}

async function showHelp(program: string, words: readonly string[]): Promise<number> {
  const [first, second] = words;
  if (first === undefined) return showRootHelp(program);
  const grouped = Object.hasOwn(groups, first);
  if (grouped && second === undefined) return showGroupHelp(program, first);
  const path = grouped ? `${first} ${second}` : first;
  const load = findCommand(path);
  if (load === undefined) throw new ExitError(1, `unknown help topic: ${words.join(" ")}`);
  const { commandHelp } = await import("./help.ts");
  stdout.write(commandHelp({ program, path, command: await load() }, stdout.columns));
  return 0;
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return stream.writableLength === 0 ? Promise.resolve() : new Promise((done) => stream.write("", () => done()));
}
