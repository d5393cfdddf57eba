import { closeSync, existsSync } from "node:fs";
import { join } from "node:path";
import { nowNs } from "../base/clock.ts";
import { setNonBlocking } from "../kernel/descriptor.ts";
import { receiveDescriptors } from "../kernel/socket.ts";
import type { Exits } from "./exits.ts";
import type {
  AdoptProcess,
  CreateProcess,
  ExecProcess,
  ExitEvent,
  HeldDescriptor,
  ProcessIdentity,
} from "./protocol.ts";
import type { Reaper } from "./reaper.ts";
import { execPrefix, removeFifos, reopenFifo } from "./stdio.ts";
import { Task } from "./task.ts";
import { execKey, openLog, type Tasks } from "./tasks.ts";

/** The daemon may reap a process while it is being adopted; its word then is on the way. */
const toldMs = 300;

/**
 * Takes over processes that run already, after their monitor died. Those that are gone come back as exits: with the
 * code that their dead monitor wrote down or the daemon saw, else unknown.
 */
export async function adopt(
  containers: readonly AdoptProcess[],
  with_: { tasks: Tasks; exits: Exits; reaper: Reaper; listener: number },
): Promise<{ adopted: string[]; gone: ExitEvent[] }> {
  const held = receiveAll(with_.listener);
  const adopted: string[] = [];
  const gone: ExitEvent[] = [];
  await Promise.all(containers.map(one));
  for (const fd of held.values()) closeSync(fd);
  return { adopted, gone };

  async function one(container: AdoptProcess): Promise<void> {
    const { identity, started, execs, ...spec } = container;
    for (const { identity: execIdentity, ...exec } of execs) {
      const key = execKey(exec.execId);
      if (with_.tasks.byKey.has(key)) continue;
      const prefix = execPrefix(exec);
      const lost = await takeOver(key, { spec: exec, run: spec.run, identity: execIdentity, prefix, started: true });
      if (lost) gone.push(lost);
    }
    if (!with_.tasks.byKey.has(spec.id)) {
      const lost = await takeOver(spec.id, { spec, run: spec.run, identity, prefix: `${spec.bundle}/`, started });
      if (lost) {
        gone.push(lost);
        return;
      }
    }
    adopted.push(spec.id);
  }

  async function takeOver(
    key: string,
    process: {
      spec: CreateProcess | ExecProcess;
      run: number;
      identity: ProcessIdentity;
      prefix: string;
      started: boolean;
    },
  ): Promise<ExitEvent | undefined> {
    const { spec, run, identity, prefix, started } = process;
    const { pid } = identity;
    // it may end while its log is being opened, before anybody follows it
    let early: { exitCode: number | undefined } | undefined;
    let onExit = (exitCode: number | undefined): void => {
      early = { exitCode };
    };
    const found = with_.reaper.watchForeign(pid, identity.identity, (exitCode) => onExit(exitCode));
    const take = (what: HeldDescriptor["what"]): number | undefined => {
      const name = `${key} ${what}`;
      const fd = held.get(name);
      held.delete(name);
      return fd;
    };
    const container = "log" in spec;
    // what a dead process left in its pipes still belongs into its log
    const pty = spec.tty ? take("pty") : undefined;
    const stdio = spec.tty
      ? pty === undefined
        ? { stdin: undefined, stdout: undefined, stderr: undefined }
        : { pty }
      : { stdin: take("stdin"), stdout: reopenFifo(prefix, 1), stderr: reopenFifo(prefix, 2) };
    const task = new Task({
      run,
      spec,
      process: identity,
      hub: with_.tasks.hubFor(key),
      log: container ? await openLog(spec).catch((error: unknown) => noLog(spec.id, error)) : undefined,
      prefix,
      stdio,
      onStdinClosed: with_.tasks.stdinClosed,
    });
    // whoever asks may not know: as long as the runtime's FIFO is there its init waits at it
    task.started = started && !(container && existsSync(join(spec.runtime.root, spec.id, "exec.fifo")));
    if (found.alive) {
      with_.tasks.track(key, task, (callback) => {
        onExit = callback;
        const ended = early;
        if (ended) queueMicrotask(() => callback(ended.exitCode));
      });
      for (const output of task.outputs) void output.done.then(() => with_.reaper.look());
      return undefined;
    }
    await task.drain();
    task.hub.end();
    const execId = "execId" in spec ? { execId: spec.execId } : {};
    const known = with_.exits.get(spec.id, run, "execId" in spec ? spec.execId : undefined);
    const code = known?.exitCode ?? found.exitCode ?? (await with_.reaper.codeTold(pid, toldMs));
    const event: ExitEvent = known ?? {
      kind: "exit",
      id: spec.id,
      run,
      ...execId,
      exitCode: code ?? 255,
      ...(code === undefined ? { unknown: true } : {}),
      oomKilled: false,
      atNs: String(nowNs()),
    };
    if (!known) with_.exits.add(event);
    removeFifos(prefix);
    return event;
  }
}

/** A container whose log cannot be opened now is better followed without one than not at all. */
function noLog(id: string, error: unknown): undefined {
  console.error(`container ${id} goes on without its log:`, error);
}

/** Descriptors that the daemon has sent, by owner and use. */
function receiveAll(listener: number): Map<string, number> {
  const held = new Map<string, number>();
  for (let message = receiveDescriptors(listener); message; message = receiveDescriptors(listener)) {
    const [fd, ...more] = message.fds;
    for (const extra of more) closeSync(extra);
    if (fd === undefined) continue;
    const { id, execId, what } = JSON.parse(message.text) as HeldDescriptor;
    setNonBlocking(fd);
    const name = `${execId === undefined ? id : execKey(execId)} ${what}`;
    const double = held.get(name);
    if (double !== undefined) closeSync(double);
    held.set(name, fd);
  }
  return held;
}
