import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { setInherited } from "../kernel/descriptor.ts";
import { execve } from "../kernel/process/execve.ts";
import type { Output } from "./output.ts";
import type { CreateProcess, ExecProcess, ProcessIdentity } from "./protocol.ts";
import type { Reaper } from "./reaper.ts";
import type { OpenStdio } from "./stdio.ts";
import { Task } from "./task.ts";
import { openLog, type Tasks } from "./tasks.ts";

const variable = "BERTH_MONITOR_STATE";
const settleMs = 2_000;
const inputMs = 200;
const quietMs = 500;

/** What one program of this process leaves to the next: tasks, and the numbers of descriptors that stay open. */
interface State {
  readonly lock: number;
  readonly tasks: readonly {
    readonly key: string;
    readonly spec: CreateProcess | ExecProcess;
    readonly run: number;
    readonly process: ProcessIdentity;
    readonly prefix: string;
    readonly started: boolean;
    readonly foreign: boolean;
    readonly stdio: { readonly pty: number } | OpenStdio;
  }[];
}

/**
 * Replaces the monitor's program. Containers notice nothing: their pipes fill for the few milliseconds it takes.
 * Attached clients are cut off and come again. Returns never; throws when things do not settle.
 */
export async function upgrade(
  command: readonly string[],
  with_: { folder: string; tasks: Tasks; reaper: Reaper; lock: number },
): Promise<never> {
  const { tasks, reaper } = with_;
  const [path] = command;
  if (path === undefined) throw new EngineError("invalid", "no program to upgrade to");
  await until(() => tasks.settled, "containers that start or end");
  tasks.standby.close();
  const all = [...tasks.byKey];
  await Promise.race([
    Promise.all(all.flatMap(([, task]) => (task.stdin ? [task.stdin.settled] : []))),
    Bun.sleep(inputMs),
  ]);
  // a client that lags would hold its container's output up
  for (const [, task] of all) task.hub.release();
  await settleOutputs(all.flatMap(([, task]) => task.outputs));
  await Promise.all(all.flatMap(([, task]) => (task.log ? [task.log.close()] : [])));
  const state: State = {
    lock: with_.lock,
    tasks: all.map(([key, task]) => ({
      key,
      spec: task.spec,
      run: task.run,
      process: task.process,
      prefix: task.prefix,
      started: task.started,
      foreign: reaper.isForeign(task.process.pid),
      stdio: task.stdio,
    })),
  };
  for (const fd of descriptors(state)) setInherited(fd, true);
  const file = join(with_.folder, "state.json");
  writeFileSync(file, JSON.stringify(state), { mode: 0o600 });
  const environment = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  execve(path, command, { ...environment, [variable]: file });
}

/**
 * Bun's streams read ahead of who asks, so a moment is awaited at which nothing is under way. A container that writes
 * without a pause has none: its output is stopped in the middle, which may cost what was read ahead, 64 KiB at most.
 */
async function settleOutputs(outputs: readonly Output[]): Promise<void> {
  const deadline = Date.now() + quietMs;
  // two turns in a row: what was read in one is seen in the next
  for (let quietTurns = 0; quietTurns < 2 && Date.now() < deadline;) {
    await new Promise((resolve) => setImmediate(resolve));
    quietTurns = outputs.every((output) => output.quiet) ? quietTurns + 1 : 0;
  }
  await until(() => outputs.map((output) => output.park()).every(Boolean), "output on its way");
}

/** What the program before this one left; undefined in a monitor that begins. */
export function inheritedState(): State | undefined {
  const file = process.env[variable];
  if (file === undefined) return undefined;
  delete process.env[variable];
  const state = JSON.parse(readFileSync(file, "utf8")) as State;
  rmSync(file, { force: true });
  for (const fd of descriptors(state)) setInherited(fd, false);
  return state;
}

/** Goes on with the tasks of the program before. */
export async function resume(state: State, tasks: Tasks, reaper: Reaper): Promise<void> {
  for (const { key, spec, run, process, prefix, started, foreign, stdio } of state.tasks) {
    const log = "log" in spec ? await openLog(spec) : undefined;
    const task = new Task({
      run,
      spec,
      process,
      hub: tasks.hubFor(key),
      log,
      prefix,
      stdio,
      onStdinClosed: tasks.stdinClosed,
    });
    task.started = started;
    tasks.track(key, task, (onExit) => {
      if (!foreign) reaper.watch(process.pid, onExit);
      else {
        const found = reaper.watchForeign(process.pid, process.identity, onExit);
        if (!found.alive) queueMicrotask(() => onExit(found.exitCode));
      }
    });
  }
}

function descriptors(state: State): number[] {
  const fds = state.tasks.flatMap(({ stdio }) =>
    "pty" in stdio ? [stdio.pty] : [stdio.stdin, stdio.stdout, stdio.stderr],
  );
  return [state.lock, ...fds].filter((fd): fd is number => fd !== undefined && fd >= 0);
}

async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + settleMs;
  while (!done()) {
    if (Date.now() > deadline)
      throw new EngineError("deadline", `cannot upgrade the monitor: still waiting for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
