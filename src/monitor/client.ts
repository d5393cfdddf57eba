import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { EngineError, errorMessage } from "../base/errors.ts";
import { openIdentified, pidfdState, pidfdsTellExits, processIdentity } from "../kernel/process/pidfd.ts";
import { ProcEvents } from "../kernel/process/proc-events.ts";
import { becomeSubreaper } from "../kernel/process/prctl.ts";
import { anyZombie, reap } from "../kernel/process/wait.ts";
import { openStream } from "./attach-client.ts";
import { Connection } from "./connection.ts";
import { SpareDescriptors } from "./keeper/spare-descriptors.ts";
import type { Monitor } from "./monitor.ts";
import { execPrefix, fifoPath } from "./stdio.ts";
import { SteadyStream } from "./steady-stream.ts";
import {
  type AdoptProcess,
  type CreateProcess,
  type ExecProcess,
  type ExitEvent,
  type MonitorEvent,
  type MonitoredContainer,
  type Operation,
  type Operations,
  type ProcessIdentity,
  protocolVersion,
  type StreamRequest,
  type WireEvent,
} from "./protocol.ts";

export interface MonitorOptions {
  readonly execRoot: string;
  /** The command that starts a monitor: `berth monitor --exec-root ...`. */
  readonly spawn: () => readonly string[];
  /** The command that starts a keeper; without one, terminals do not outlive daemon and monitor killed together. */
  readonly keeper?: () => readonly string[];
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
}

/** The daemon's monitor, with what only the daemon's start and end need. */
export interface ConnectedMonitor extends Monitor {
  readonly pid: number;
  /** Descriptors held for the case that the monitor dies. */
  readonly held: number;
  /** Replaces the monitor's program by this command; it keeps its pid, and containers notice nothing. */
  upgrade(command: readonly string[]): Promise<void>;
  /** Ends the monitor; conflict when something runs. */
  shutdown(): Promise<void>;
  /** Lets go of the monitor, which goes on. */
  close(): Promise<void>;
}

const startTimeoutMs = 15_000;
/** Between two tries to have a monitor. */
const retryMs = 1_000;
/** Bun reaps its own child within milliseconds. */
const strayMs = 1_000;

/** Connects to the exec root's monitor and starts one when there is none; respawns it when it dies. */
export async function connectMonitor(options: MonitorOptions): Promise<ConnectedMonitor> {
  const client = new MonitorClient(options);
  await client.open();
  return client;
}

interface Known {
  readonly spec: CreateProcess;
  readonly identity: ProcessIdentity;
  started: boolean;
  readonly execs: Map<string, ExecProcess & { readonly identity: ProcessIdentity }>;
}

class MonitorClient implements ConnectedMonitor {
  pid = 0;
  #identity = "";
  #generation = 0;
  readonly #options: MonitorOptions;
  readonly #folder: string;
  readonly #listeners: ((event: MonitorEvent) => void)[] = [];
  /** Told before anybody listened. */
  readonly #early: MonitorEvent[] = [];
  /** What runs, to hand it to a successor of the monitor. */
  readonly #known = new Map<string, Known>();
  readonly #spare: SpareDescriptors;
  readonly #orphans = new Set<number>();
  #connection: Promise<Connection>;
  /** The connection of this moment, be it in the middle of reconnecting. */
  #live: Connection | undefined;
  #closed = false;
  /** A monitor has died in our time: its children became ours. */
  #inherits = false;
  #seenZombie: number | undefined;
  #strayTimer: Timer | undefined;
  /** While there is no monitor, on kernels whose pidfds tell no exit code. */
  #events: ProcEvents | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#folder = join(options.execRoot, "monitor");
    this.#spare = new SpareDescriptors(join(this.#folder, "daemon.sock"), { ...options, keeper: options.keeper });
    this.#connection = Promise.reject(new EngineError("unavailable", "the monitor is not connected"));
    this.#connection.catch(() => {});
  }

  async open(): Promise<void> {
    becomeSubreaper();
    process.on("SIGCHLD", this.#onChild);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    await this.#spare.open();
    this.#connection = this.#connect();
    const connection = await this.#connection;
    await connection.call("fds", { socket: this.#spare.path });
    this.#spare.receive();
    for (const exit of (await connection.call("list", {})).exits) this.#take(exit);
  }

  async create(process: CreateProcess): Promise<ProcessIdentity> {
    const identity = await this.#call("create", process, (made) => {
      this.#known.set(process.id, { spec: process, identity: made, started: false, execs: new Map() });
    });
    if (process.tty || process.openStdin) this.#hold({ id: process.id });
    return identity;
  }

  async start(id: string, run: number): Promise<void> {
    await this.#call("start", { id, run });
    const known = this.#known.get(id);
    if (known) known.started = true;
  }

  async discard(id: string): Promise<void> {
    await this.#call("discard", { id });
    this.#forget(id);
  }

  async exec(process: ExecProcess): Promise<ProcessIdentity> {
    const identity = await this.#call("exec", process, (made) => {
      this.#known.get(process.id)?.execs.set(process.execId, { ...process, identity: made });
    });
    if (process.tty || process.stdin) this.#hold({ id: process.id, execId: process.execId });
    return identity;
  }

  async resize(id: string, execId: string | undefined, size: { rows: number; columns: number }): Promise<void> {
    await this.#call("resize", { id, ...(execId === undefined ? {} : { execId }), ...size });
  }

  async stream(request: StreamRequest): Promise<Duplex> {
    await this.#connection;
    let generation = this.#generation;
    const path = join(this.#folder, "attach.sock");
    return new SteadyStream(await openStream(path, request), async () => {
      // an answer by the same connection: the monitor lives, so it meant this end
      await this.#call("hello", { version: protocolVersion }).catch(() => {});
      await this.#connection;
      if (generation === this.#generation) return undefined;
      generation = this.#generation;
      const runs = (await this.list()).some(
        ({ id, execs }) =>
          id === request.id && (request.execId === undefined || execs.some(({ execId }) => execId === request.execId)),
      );
      return runs ? openStream(path, request) : undefined;
    });
  }

  async acknowledge(id: string, run: number, execId?: string): Promise<void> {
    await this.#call("acknowledge", { id, run, ...(execId === undefined ? {} : { execId }) });
  }

  async list(): Promise<readonly MonitoredContainer[]> {
    return (await this.#call("list", {})).containers;
  }

  async adopt(processes: readonly AdoptProcess[]): Promise<{ adopted: readonly string[]; gone: readonly ExitEvent[] }> {
    const result = await this.#adopt(await this.#connection, processes);
    for (const { identity, started, execs, ...spec } of processes) {
      if (!result.adopted.includes(spec.id)) continue;
      this.#known.set(spec.id, { spec, identity, started, execs: new Map(execs.map((exec) => [exec.execId, exec])) });
    }
    // what was kept for containers that are gone
    this.#spare.retain((id) => this.#known.has(id));
    return result;
  }

  get held(): number {
    return this.#spare.count;
  }

  async upgrade(command: readonly string[]): Promise<void> {
    const before = await this.#connection;
    await before.call("upgrade", { command }).catch(ignoreGone);
    await this.#connection;
  }

  async shutdown(): Promise<void> {
    const connection = await this.#connection;
    this.#closed = true;
    await connection.call("shutdown", {}).catch((error: unknown) => {
      this.#closed = false;
      throw error;
    });
  }

  onEvent(listener: (event: MonitorEvent) => void): void {
    this.#listeners.push(listener);
    for (const event of this.#early.splice(0)) listener(event);
  }

  async close(): Promise<void> {
    this.#closed = true;
    process.removeListener("SIGCHLD", this.#onChild);
    clearTimeout(this.#strayTimer);
    await this.#spare.close();
    (await this.#connection.catch(() => undefined))?.close();
  }

  async #call<O extends Operation>(
    op: O,
    args: Operations[O]["args"],
    answered?: (ok: Operations[O]["ok"]) => void,
  ): Promise<Operations[O]["ok"]> {
    return (await this.#connection).call(op, args, answered);
  }

  /** Finds the monitor that runs, or starts one. */
  async #connect(): Promise<Connection> {
    const deadline = Date.now() + startTimeoutMs;
    let child: Bun.Subprocess | undefined;
    for (;;) {
      // a connection to a monitor that dies right now is one more attempt, not one more loss
      let installed = false;
      try {
        const connection = await Connection.open(join(this.#folder, "control.sock"), {
          onEvent: (event) => this.#take(event),
          onClose: () => {
            if (installed) this.#lost();
          },
        });
        const { version, pid } = await connection.call("hello", { version: protocolVersion });
        if (version !== protocolVersion) {
          if (Date.now() > deadline)
            throw new EngineError("conflict", `the monitor speaks version ${version}, this daemon ${protocolVersion}`);
          // it becomes ours by its own upgrade, and containers notice nothing
          await connection.call("upgrade", { command: this.#options.spawn() }).catch(ignoreGone);
          continue;
        }
        this.pid = pid;
        this.#identity = processIdentity(pid);
        installed = true;
        this.#generation++;
        this.#live = connection;
        return connection;
      } catch (error) {
        if (error instanceof EngineError && error.kind === "conflict") throw error;
        if (Date.now() > deadline)
          throw new EngineError(
            "unavailable",
            `the monitor did not start: ${errorMessage(error)}, see ${this.#folder}/log`,
          );
        if (this.#replacesItself()) await Bun.sleep(2);
        // none runs, or the one we started lost to another daemon's
        else if (!child || child.exitCode !== null || child.signalCode !== null) child = this.#spawn();
        await Bun.sleep(2);
      }
    }
  }

  /** The monitor we knew lives: it is on the way from one program to the next. */
  #replacesItself(): boolean {
    const pidfd = this.pid === 0 ? undefined : openIdentified(this.pid, this.#identity);
    if (pidfd === undefined) return false;
    const state = pidfdState(pidfd);
    closeSync(pidfd);
    return state === "alive";
  }

  #spawn(): Bun.Subprocess {
    const log = openSync(join(this.#folder, "log"), constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
    try {
      // a session of its own: it outlives the daemon and the signals to the daemon's group
      const child = Bun.spawn([...this.#options.spawn()], { stdio: ["ignore", log, log], detached: true, cwd: "/" });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  /** The connection closed: the monitor died, or upgrades itself. */
  #lost(): void {
    if (this.#closed) return;
    this.#options.log("warn", "the monitor went away, connecting again", { pid: this.pid });
    this.#inherits = true;
    this.#reapStraysLater();
    // until a successor has them open, output that waits in the pipes of a process that ends is kept by these
    const spare = this.#openOutputs();
    // and who ends meanwhile may be nobody's of ours: the monitor of an earlier daemon had another parent
    this.#events ??= pidfdsTellExits() ? undefined : ProcEvents.open();
    this.#connection = this.#reconnect().finally(() => {
      for (const fd of spare) closeSync(fd);
      this.#events?.close();
      this.#events = undefined;
    });
    const connection = this.#connection;
    connection.catch((error: unknown) => {
      this.#options.log("error", `no monitor: ${errorMessage(error)}`);
      // a later loss has begun another try already
      setTimeout(() => {
        if (!this.#closed && this.#connection === connection) this.#lost();
      }, retryMs).unref();
    });
  }

  async #reconnect(): Promise<Connection> {
    const before = this.pid;
    const connection = await this.#connect();
    if (this.pid !== before) {
      const processes = [...this.#known.values()].map(({ spec, identity, started, execs }) => ({
        ...spec,
        identity,
        started,
        execs: [...execs.values()],
      }));
      for (const process of processes)
        for (const { pid } of [process.identity, ...process.execs.map((exec) => exec.identity)]) this.#orphans.add(pid);
      // codes of those that ended meanwhile go ahead of the adoption that asks for them
      for (const ended of [...this.#reapOrphans(), ...this.#seenExits()]) await connection.call("reaped", ended);
      const { gone } = await this.#adopt(connection, processes);
      for (const exit of gone) this.#take(exit);
    }
    for (const exit of (await connection.call("list", {})).exits) this.#take(exit);
    return connection;
  }

  async #adopt(connection: Connection, containers: readonly AdoptProcess[]) {
    this.#spare.sendTo(join(this.#folder, "adopt.sock"));
    return connection.call("adopt", { containers: [...containers] });
  }

  #openOutputs(): number[] {
    const fds: number[] = [];
    for (const { spec, execs } of this.#known.values()) {
      const prefixes = [`${spec.bundle}/`, ...[...execs.values()].map(execPrefix)];
      for (const path of prefixes.flatMap((prefix) => [fifoPath(prefix, 1), fifoPath(prefix, 2)])) {
        try {
          fds.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
        } catch {
          // it has a terminal
        }
      }
    }
    return fds;
  }

  readonly #onChild = (): void => {
    this.#reapStraysLater();
    for (const ended of this.#reapOrphans()) {
      // not by way of #connection: while it reconnects, an adoption waits for just this
      void this.#live?.call("reaped", ended).catch((error: unknown) => {
        this.#options.log("warn", `the monitor was not told of an exit: ${errorMessage(error)}`, ended);
      });
    }
  };

  /**
   * A dead monitor leaves children that no answer has told of: programs of a runtime, processes they had just made.
   * Bun reaps what it has spawned at once, so a zombie that is there at two looks is such a one.
   */
  #reapStraysLater(): void {
    if (!this.#inherits || this.#strayTimer) return;
    this.#strayTimer = setTimeout(() => {
      this.#strayTimer = undefined;
      let zombie = anyZombie();
      if (zombie && zombie.pid === this.#seenZombie) {
        reap(zombie.pid);
        zombie = anyZombie();
      }
      this.#seenZombie = zombie?.pid;
      if (zombie) this.#reapStraysLater();
    }, strayMs);
    this.#strayTimer.unref();
  }

  /** Orphans of a dead monitor became ours, the nested subreaper's. */
  #reapOrphans(): { pid: number; exitCode: number }[] {
    const found: { pid: number; exitCode: number }[] = [];
    for (const pid of this.#orphans) {
      try {
        const ended = reap(pid);
        if (!ended) continue;
        found.push(ended);
      } catch {
        // not our child: the daemon was started again meanwhile
      }
      this.#orphans.delete(pid);
    }
    return found;
  }

  /** Orphans whose end the kernel told, and nobody of ours had to reap. */
  #seenExits(): { pid: number; exitCode: number }[] {
    return (this.#events?.exits() ?? []).filter(({ pid }) => this.#orphans.delete(pid));
  }

  #take(event: WireEvent): void {
    if (event.kind === "stdin-closed") {
      this.#spare.receive(); // the copy may be in the backlog still
      return this.#spare.release(event);
    }
    if (event.kind === "exit") {
      this.#spare.receive(); // a copy of its stdin that is on its way has no later chance to be let go
      if (event.execId === undefined) {
        // an exit that is told again may be of an earlier run than the one that is there
        const known = this.#known.get(event.id);
        if (!known || known.spec.run === event.run) this.#forget(event.id);
      } else {
        this.#known.get(event.id)?.execs.delete(event.execId);
        this.#spare.release(event);
      }
    }
    if (this.#listeners.length === 0) this.#early.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  #forget(id: string): void {
    this.#known.delete(id);
    this.#spare.forget(id);
  }

  /** Takes a copy of the process's stdin or pty, beside the way of its start. */
  #hold(owner: { id: string; execId?: string }): void {
    void this.#call("fds", { socket: this.#spare.path, ...owner })
      .then(() => this.#spare.receive())
      .catch((error: unknown) =>
        this.#options.log("warn", `cannot hold the stdin of ${owner.id}: ${errorMessage(error)}`),
      );
  }
}

/** There is no answer from a program that has been replaced. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof EngineError) || error.kind !== "unavailable") throw error;
}
