import { mkdirSync, readFileSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import type { RuntimeChoice, StdioFds } from "./driver.ts";

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

/**
 * Runs the runtime's program once. Errors come by a log file: a container inherits stdout and stderr, so a pipe
 * there would stay open after the runtime's end. Throws RuntimeFailure.
 */
export async function invoke(
  choice: RuntimeChoice,
  args: readonly string[],
  options: { stdio?: StdioFds; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const log = logFile(choice);
  const { stdin, stdout, stderr } = options.stdio ?? noStdio;
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn(
      [choice.path, ...choice.args, "--root", choice.root, "--log", log, "--log-format", "json", ...args],
      {
        stdio: [stdin, stdout, stderr],
        ...(options.signal ? { signal: options.signal, killSignal: "SIGKILL" } : {}),
      },
    );
  } catch (error) {
    throw new RuntimeFailure(`cannot run ${choice.path}: ${errorMessage(error)}`);
  }
  runtimePids.add(child.pid);
  try {
    const code = await child.exited;
    if (code !== 0)
      throw new RuntimeFailure(lastError(log) ?? `${choice.name} ${args[0]} exited with ${child.signalCode ?? code}`);
  } finally {
    runtimePids.delete(child.pid);
    removeLog(log);
  }
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
