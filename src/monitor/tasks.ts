import type { Socket } from "node:net";
import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { processIdentity } from "../kernel/process/pidfd.ts";
import type { LogWriter } from "../logs/driver.ts";
import { logDrivers } from "../logs/drivers.ts";
import { openRuntime } from "../runtime/drivers.ts";
import type { Exits } from "./exits.ts";
import { Hub } from "./hub.ts";
import { oomKills, OomWatch } from "./oom.ts";
import type { CreateProcess, ExecProcess, ExitEvent, ProcessIdentity, StreamRequest, WireEvent } from "./protocol.ts";
import type { Reaper } from "./reaper.ts";
import { Standby } from "./standby.ts";
import { ConsoleSocket, execPrefix, type MadeFifos, makeFifos } from "./stdio.ts";
import { Task } from "./task.ts";

/** Everything that runs under this monitor. */
export class Tasks {
  readonly byKey = new Map<string, Task>();
  readonly standby = new Standby();
  /** Clients of runs that have not begun. */
  readonly #waiting = new Map<string, Hub>();
  readonly #creating = new Map<
    string,
    { readonly id: string; readonly abort: AbortController; readonly over: Promise<void> }
  >();
  readonly #folder: string;
  readonly #exits: Exits;
  readonly #reaper: Reaper;
  readonly #tell: (event: WireEvent) => void;
  readonly #oom: OomWatch;

  constructor(options: { folder: string; exits: Exits; reaper: Reaper; tell: (event: WireEvent) => void }) {
    this.#folder = options.folder;
    this.#exits = options.exits;
    this.#reaper = options.reaper;
    this.#tell = options.tell;
    this.#oom = new OomWatch((id) => options.tell({ kind: "oom", id }));
  }

  /** Nothing is being made, and nothing that has ended is still being finished. */
  get settled(): boolean {
    return this.#creating.size === 0 && [...this.byKey.values()].every((task) => !task.ended);
  }

  get idle(): boolean {
    return this.byKey.size === 0 && this.#creating.size === 0;
  }

  async create(spec: CreateProcess): Promise<ProcessIdentity> {
    const runtime = openRuntime(spec.runtime);
    return this.#launch({
      key: spec.id,
      spec,
      run: spec.run,
      prefix: `${spec.bundle}/`,
      stdio: { stdin: spec.openStdin, stdout: true, stderr: true },
      log: () => openLog(spec),
      start: async (io) => {
        const pid = await runtime.create({ id: spec.id, bundle: spec.bundle, ...io });
        fault("monitor.create.after-runtime");
        return pid;
      },
      undo: () => runtime.undoCreate(spec.id, spec.bundle),
    });
  }

  async start(id: string, run: number): Promise<void> {
    const task = this.#container(id);
    if (task.run !== run)
      throw new EngineError("conflict", `container ${id}: run ${run} is not there, but run ${task.run}`);
    if (task.started) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    task.announced = promise;
    try {
      await openRuntime(containerSpec(task).runtime).start(id);
      fault("monitor.start.after-release");
      task.started = true;
    } finally {
      setImmediate(resolve);
    }
  }

  async exec(spec: ExecProcess): Promise<ProcessIdentity> {
    const container = this.#container(spec.id);
    const runtime = openRuntime(spec.runtime);
    const prefix = execPrefix(spec);
    const ready = this.standby.take(spec);
    const process = await this.#launch({
      key: execKey(spec.execId),
      spec,
      run: container.run,
      prefix,
      stdio: spec,
      fifos: ready?.fifos,
      log: () => Promise.resolve(undefined),
      start: async (io) => {
        const pid = await (ready
          ? ready.run(io)
          : runtime.exec({ id: spec.id, processFile: spec.processFile, pidFile: `${prefix}pid`, ...io }));
        fault("monitor.exec.after-runtime");
        return pid;
      },
      undo: async () => {},
    });
    this.standby.used(spec, () => this.byKey.get(spec.id) === container);
    return process;
  }

  /** Undoes a create, one that is under way too: nobody hears of its end. */
  async discard(id: string): Promise<void> {
    const creating = this.#creating.get(id);
    creating?.abort.abort();
    await creating?.over;
    const task = this.byKey.get(id);
    if (!task) return;
    task.discarded = true;
    const { runtime, bundle } = containerSpec(task);
    await openRuntime(runtime).undoCreate(id, bundle);
    await within(
      task.finished,
      endTimeoutMs,
      `container ${id} did not end: one of its processes may hang in the kernel`,
    );
  }

  resize(id: string, execId: string | undefined, rows: number, columns: number): void {
    const task = this.byKey.get(execId === undefined ? id : execKey(execId));
    if (!task)
      throw new EngineError(
        "not-found",
        execId === undefined ? `container ${id} is not running` : `exec ${execId} is not running`,
      );
    task.resize(rows, columns);
  }

  /** Adds a client to a run, or to the next one. */
  attach(socket: Socket, request: StreamRequest): void {
    const key = request.execId === undefined ? request.id : execKey(request.execId);
    const hub = this.byKey.get(key)?.hub ?? this.#waitingHub(key);
    hub.add(socket, request, () => {
      if (hub.empty && this.#waiting.get(key) === hub) this.#waiting.delete(key);
    });
  }

  /** Takes the task in and follows it to its end. */
  track(key: string, task: Task, watch: (onExit: (exitCode: number | undefined) => void) => void): void {
    this.byKey.set(key, task);
    if ("memoryCgroup" in task.spec && task.spec.memoryCgroup !== "") this.#oom.add(key, task.spec.memoryCgroup);
    watch((exitCode) => void this.#ended(key, task, exitCode));
  }

  hubFor(key: string): Hub {
    const hub = this.#waitingHub(key);
    this.#waiting.delete(key);
    return hub;
  }

  readonly stdinClosed = (task: Task): void => {
    this.#tell({ kind: "stdin-closed", id: task.id, ...(task.execId === undefined ? {} : { execId: task.execId }) });
  };

  async #launch(launch: Launch): Promise<ProcessIdentity> {
    const { key, spec, prefix } = launch;
    if (this.byKey.has(key) || this.#creating.has(key)) throw new EngineError("conflict", `${key} runs already`);
    const abort = new AbortController();
    const { promise: over, resolve: settle } = Promise.withResolvers<void>();
    this.#creating.set(key, { id: spec.id, abort, over });
    try {
      await using undo = new AsyncDisposableStack();
      const terminal = spec.tty ? new ConsoleSocket(this.#folder) : undefined;
      if (terminal) undo.defer(() => terminal.close());
      const fifos = terminal ? undefined : (launch.fifos ?? makeFifos({ prefix, ...pickStdio(launch.stdio) }));
      if (fifos) undo.defer(() => fifos.undo());
      if ("execId" in spec) fault("monitor.exec.after-fifos");
      else fault("monitor.create.after-fifos");
      const opening = launch.log();
      opening.catch(() => {}); // looked at below, maybe after the runtime has failed
      undo.defer(async () => (await opening.catch(() => undefined))?.close());
      undo.defer(() => launch.undo().catch((error: unknown) => console.error(`undoing ${key}:`, error)));
      const pid = await launch.start({
        signal: abort.signal,
        stdio: fifos?.child ?? { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
        ...(terminal ? { consoleSocket: terminal.path } : {}),
      });
      const log = await opening;
      const process = { pid, identity: identityOf(pid) };
      const stdio = fifos ?? { pty: terminal?.receive(spec.size) ?? -1 };
      undo.move();
      fifos?.closeChild();
      terminal?.close();
      const task = new Task({
        run: launch.run,
        spec,
        process,
        hub: this.hubFor(key),
        log,
        prefix,
        stdio,
        onStdinClosed: this.stdinClosed,
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      task.announced = promise;
      setImmediate(resolve);
      this.track(key, task, (onExit) => this.#reaper.watch(pid, onExit));
      return process;
    } finally {
      this.#creating.delete(key);
      settle();
    }
  }

  async #ended(key: string, task: Task, exitCode: number | undefined): Promise<void> {
    task.ended = true;
    if (task.execId === undefined) {
      // whatever the runtime still tries to join to it comes too late
      this.standby.forget(task.id);
      for (const { id, abort } of this.#creating.values()) if (id === task.id) abort.abort();
    }
    const memoryCgroup = "memoryCgroup" in task.spec ? task.spec.memoryCgroup : "";
    const untold = this.#oom.remove(key);
    const event: ExitEvent = {
      kind: "exit",
      id: task.id,
      run: task.run,
      ...(task.execId === undefined ? {} : { execId: task.execId }),
      exitCode: exitCode ?? 255,
      ...(exitCode === undefined ? { unknown: true } : {}),
      oomKilled: memoryCgroup !== "" && oomKills(memoryCgroup) > 0,
      atNs: String(nowNs()),
    };
    if (!task.discarded) {
      this.#record(event);
      fault("monitor.exit.after-record");
    }
    try {
      await within(task.drain(), endTimeoutMs, "its log driver does not let go");
    } catch (error) {
      // a disk that is full or a log server that hangs must not keep the exit a secret
      console.error(`the last output of container ${task.id}:`, error);
    }
    fault("monitor.exit.after-drain");
    // a new run may have the key as soon as its predecessor's files are closed
    this.byKey.delete(key);
    task.hub.end();
    await task.announced;
    task.finish();
    if (task.discarded) return;
    if (untold) this.#tell({ kind: "oom", id: task.id });
    this.#tell(event);
  }

  #record(event: ExitEvent): void {
    try {
      this.#exits.add(event);
    } catch (error) {
      console.error(`the exit of container ${event.id} is told, but not kept:`, error);
    }
  }

  #container(id: string): Task {
    const task = this.byKey.get(id);
    if (!task) throw new EngineError("conflict", `container ${id} is not running`);
    return task;
  }

  #waitingHub(key: string): Hub {
    let hub = this.#waiting.get(key);
    if (!hub) this.#waiting.set(key, (hub = new Hub()));
    return hub;
  }
}

interface Launch {
  readonly key: string;
  readonly spec: CreateProcess | ExecProcess;
  readonly run: number;
  readonly prefix: string;
  readonly stdio: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** Made already. */
  readonly fifos?: MadeFifos | undefined;
  readonly log: () => Promise<LogWriter | undefined>;
  readonly start: (io: {
    stdio: Parameters<ReturnType<typeof openRuntime>["create"]>[0]["stdio"];
    consoleSocket?: string;
    signal: AbortSignal;
  }) => Promise<number>;
  readonly undo: () => Promise<void>;
}

/** A process that was killed, or a log that is closed, is waited for this long. */
const endTimeoutMs = 10_000;

async function within(work: Promise<void>, timeoutMs: number, what: string): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new EngineError("deadline", `${what} (waited ${timeoutMs / 1000}s)`)),
    timeoutMs,
  );
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const execKey = (execId: string): string => `exec:${execId}`;

export function containerSpec(task: Task): CreateProcess {
  if ("execId" in task.spec) throw new EngineError("internal", `${task.execId} is an exec`);
  return task.spec;
}

const pickStdio = ({ stdin, stdout, stderr }: Launch["stdio"]) => ({ stdin, stdout, stderr });

/** Opened while the runtime works. */
export async function openLog(spec: CreateProcess): Promise<LogWriter> {
  const load = Object.entries(logDrivers).find(([name]) => name === spec.log.driver)?.[1];
  if (!load) throw new EngineError("invalid", `logger: no log driver named '${spec.log.driver}' is registered`);
  return (await load()).open(spec.log);
}

/** A process that has ended already has none, and needs none: it is our zombie. */
function identityOf(pid: number): string {
  try {
    return processIdentity(pid);
  } catch {
    return "gone";
  }
}
