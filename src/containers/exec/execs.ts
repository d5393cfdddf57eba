import { EngineError } from "../../base/errors.ts";
import type { Exec, ExecRequest } from "../containers.ts";
import type { Records } from "../books/records.ts";

/** How long an ended exec can be inspected (moby parity). */
const keptAfterExitMs = 5 * 60_000;

interface Entry {
  exec: Exec;
  /** Started once, ever. */
  begun: boolean;
  readonly ended: PromiseWithResolvers<number>;
  /** Settles when it runs or has ended. */
  readonly ran: PromiseWithResolvers<void>;
  timer?: ReturnType<typeof setTimeout>;
}

/** The exec sessions of this daemon's life. They are kept in memory only: they end with their container. */
export class Execs {
  readonly #entries = new Map<string, Entry>();
  readonly #byContainer = new Map<string, Set<string>>();
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  add(id: string, containerId: string, request: ExecRequest): void {
    const exec: Exec = { id, containerId, request, running: false, exitCode: null, pid: 0 };
    this.#entries.set(id, {
      exec,
      begun: false,
      ended: Promise.withResolvers<number>(),
      ran: Promise.withResolvers<void>(),
    });
    this.#byContainer.set(containerId, (this.#byContainer.get(containerId) ?? new Set()).add(id));
    this.#show(containerId);
  }

  /** not-found `No such exec instance: x`. */
  get(id: string): Exec {
    return this.#entry(id).exec;
  }

  /** Marks the one start of an exec; conflict with Docker's text at the second. */
  begin(id: string): void {
    const entry = this.#entry(id);
    if (entry.exec.exitCode !== null)
      throw new EngineError("conflict", `Error: Exec command ${id} has already run`, { id });
    if (entry.begun) throw new EngineError("conflict", `Error: Exec command ${id} is already running`, { id });
    entry.begun = true;
  }

  running(id: string, pid: number): void {
    const entry = this.#entry(id);
    if (entry.exec.exitCode === null) entry.exec = { ...entry.exec, running: true, pid };
    entry.ran.resolve();
  }

  /** Writes the exit code down; false when it was there already or the exec is not ours. */
  exited(id: string, exitCode: number): boolean {
    const entry = this.#entries.get(id);
    if (!entry || entry.exec.exitCode !== null) return false;
    entry.exec = { ...entry.exec, running: false, exitCode };
    entry.ran.resolve();
    entry.ended.resolve(exitCode);
    entry.timer = setTimeout(() => this.#drop(id), keptAfterExitMs);
    return true;
  }

  /** Resolves when it runs or has ended, or the time is over. */
  async ran(id: string, timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([this.#entry(id).ran.promise, promise]);
    clearTimeout(timer);
  }

  /** The exit code, once it ends. */
  ended(id: string): Promise<number> {
    return this.#entry(id).ended.promise;
  }

  /** The container is gone. */
  dropContainer(containerId: string): void {
    for (const id of [...(this.#byContainer.get(containerId) ?? [])]) {
      this.exited(id, 137);
      this.#drop(id);
    }
  }

  close(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new EngineError("not-found", `No such exec instance: ${id}`, { id });
    return entry;
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    clearTimeout(entry?.timer);
    this.#entries.delete(id);
    if (!entry) return;
    const { containerId } = entry.exec;
    const ids = this.#byContainer.get(containerId);
    ids?.delete(id);
    if (ids?.size === 0) this.#byContainer.delete(containerId);
    this.#show(containerId);
  }

  #show(containerId: string): void {
    this.#records.setExecs(containerId, [...(this.#byContainer.get(containerId) ?? [])]);
  }
}
