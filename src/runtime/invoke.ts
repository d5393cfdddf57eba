import { mkdirSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import type { RuntimeChoice, StdioFds } from "./driver.ts";
import { sealedProgram } from "./sealed-program.ts";

/** Pids of runtime programs that run now: the monitor must not reap them, their spawner does. */
export const runtimePids = new Set<number>();

/** A runtime program that ended with a failure; `text` is its own last error message. */
export class RuntimeFailure extends Error {
  readonly text: string;
  constructor(text: string) {
    super(text);
    this.name = "RuntimeFailure";
    this.text = text;
  }
}

const noStdio: StdioFds = { stdin: "ignore", stdout: "ignore", stderr: "ignore" };
let calls = 0;

/** How long a verb may take, ten thousand times what it takes on a quiet machine; others than these: 10 s. */
const timeoutsMs: Readonly<Record<string, number>> = { create: 60_000, exec: 60_000, start: 30_000 };
const otherTimeoutMs = 10_000;
/** A program that SIGKILL does not end hangs in the kernel. */
const goneTimeoutMs = 5_000;

/**
 * Runs the runtime's program once. Errors come by a log file: a container inherits stdout and stderr, so a pipe
 * there would stay open after the runtime's end. Throws RuntimeFailure.
 */
export async function invoke(
  choice: RuntimeChoice,
  args: readonly string[],
  options: { stdio?: StdioFds; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  if (options.signal?.aborted) throw new RuntimeFailure(`${choice.name} ${args[0]} was cancelled`);
  await begin(choice, args, options).end(options.signal);
}

/** A runtime program that runs. */
export interface Invocation {
  /** It has not ended yet. */
  readonly runs: boolean;
  /** Waits for its end; its deadline begins now. Throws RuntimeFailure. */
  end(signal?: AbortSignal): Promise<void>;
  /** Kills it, whatever it has come to. */
  kill(): void;
}

/** Starts the runtime's program. Throws RuntimeFailure when there is none. */
export function begin(choice: RuntimeChoice, args: readonly string[], options: { stdio?: StdioFds }): Invocation {
  const [verb = ""] = args;
  const log = logFile(choice);
  const { stdin, stdout, stderr } = options.stdio ?? noStdio;
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn(
      [program(choice), ...choice.args, "--root", choice.root, "--log", log, "--log-format", "json", ...args],
      { argv0: choice.path, stdio: [stdin, stdout, stderr] },
    );
  } catch (error) {
    throw new RuntimeFailure(`cannot run ${choice.path}: ${errorMessage(error)}`);
  }
  runtimePids.add(child.pid);
  void child.exited.then(() => runtimePids.delete(child.pid));
  return {
    get runs() {
      return child.exitCode === null && child.signalCode === null;
    },
    async end(signal) {
      try {
        const timeoutMs = timeoutsMs[verb] ?? otherTimeoutMs;
        const code = await ended(child, { timeoutMs, signal, what: `${choice.name} ${verb}` });
        if (code !== 0)
          throw new RuntimeFailure(lastError(log) ?? `${choice.name} ${verb} exited with ${child.signalCode ?? code}`);
      } finally {
        removeLog(log);
      }
    },
    kill() {
      killTree(child.pid);
      void child.exited.then(() => removeLog(log));
    },
  };
}

/** Of runtimes that would copy themselves anyway, the copy. */
const program = (choice: RuntimeChoice): string =>
  /^(?:crun|runc)$/.test(choice.family ?? choice.path.slice(choice.path.lastIndexOf("/") + 1))
    ? sealedProgram(choice.path)
    : choice.path;

/** Waits for the program; one that is too late, or whose caller gives up, is killed with all that it started. */
async function ended(
  child: Bun.Subprocess,
  options: { timeoutMs: number; signal: AbortSignal | undefined; what: string },
): Promise<number> {
  const { promise: given, reject: giveUp } = Promise.withResolvers<never>();
  let failure: RuntimeFailure | undefined;
  let last: Timer | undefined;
  const end = (why: string): void => {
    if (failure) return;
    failure = new RuntimeFailure(`${options.what} ${why}`);
    killTree(child.pid);
    last = setTimeout(() => giveUp(failure), goneTimeoutMs);
  };
  const late = `did not end within ${options.timeoutMs / 1000}s and was killed`;
  const timer = setTimeout(() => end(late), options.timeoutMs);
  const abort = (): void => end("was cancelled");
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    const code = await Promise.race([child.exited, given]);
    if (failure) throw failure;
    return code;
  } finally {
    clearTimeout(timer);
    clearTimeout(last);
    options.signal?.removeEventListener("abort", abort);
  }
}

/** Kills a process and its descendants, parents first: a dead one starts no more. */
function killTree(pid: number): void {
  let children: number[] = [];
  try {
    process.kill(pid, "SIGSTOP"); // it forks no more while we look
    children = childrenOf(pid);
    process.kill(pid, "SIGKILL");
  } catch {
    return; // it has ended, or ended at this moment
  }
  for (const child of children) killTree(child);
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

/** Runs it for its output, which no container inherits. Throws RuntimeFailure. */
export async function invokeForOutput(path: string, args: readonly string[], timeoutMs: number): Promise<string> {
  let child;
  try {
    child = Bun.spawn([path, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new RuntimeFailure(errorMessage(error));
  }
  runtimePids.add(child.pid);
  try {
    const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    if (code !== 0) throw new RuntimeFailure(`${path} ${args.join(" ")} exited with ${child.signalCode ?? code}`);
    return text;
  } finally {
    runtimePids.delete(child.pid);
  }
}

function logFile(choice: RuntimeChoice): string {
  const folder = `${choice.root}-log`;
  if (!madeFolders.has(folder)) {
    mkdirSync(dirname(folder), { recursive: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    madeFolders.add(folder);
  }
  return join(folder, `${process.pid}.${++calls}`);
}
const madeFolders = new Set<string>();

/** The last line of level error, as crun and runc write them: `{"msg":...,"level":"error"}`. */
function lastError(log: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(log, "utf8");
  } catch {
    return undefined; // it failed before it opened its log
  }
  let last: string | undefined;
  for (const line of text.split("\n")) {
    try {
      const entry: unknown = JSON.parse(line);
      if (typeof entry !== "object" || entry === null) continue;
      const { msg, level } = entry as { msg?: unknown; level?: unknown };
      if (typeof msg === "string" && (level === "error" || level === "fatal" || last === undefined)) last = msg;
    } catch {
      // a torn or foreign line says nothing
    }
  }
  return last?.trim();
}

function removeLog(log: string): void {
  try {
    unlinkSync(log);
  } catch {
    // the runtime did not open it
  }
}
