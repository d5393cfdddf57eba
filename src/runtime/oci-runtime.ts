import { closeSync, rmSync, writeFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { EngineError, errorMessage } from "../base/errors.ts";
import { SyscallError } from "../kernel/call.ts";
import { openPidfd, signalPidfd } from "../kernel/process/pidfd.ts";
import type { CreateOptions, ExecOptions, RuntimeChoice, RuntimeDriver, StandbyExec } from "./driver.ts";
import { runtimeError } from "./failure.ts";
import { invoke, invokeForOutput } from "./invoke.ts";
import { readPid } from "./pid-file.ts";
import { removeCgroupsOf } from "./remove.ts";
import { standbyExec } from "./standby-exec.ts";
import { type RuntimeState, startTicksOf } from "./state.ts";

/** What differs between the programs that share runc's command line. */
export interface Family {
  readonly name: string;
  /** Reads its state file; undefined for an unknown id. Absent: everything goes by the command line. */
  readonly state?: (root: string, id: string) => RuntimeState | undefined;
  /** Lets a created init go on without a program of its own; false = this way is closed, use the command. */
  readonly release?: (root: string, id: string) => Promise<boolean>;
  /** Removes an ended container without a program; false = use the command. */
  readonly remove?: (root: string, id: string) => boolean;
  /** File under `<root>/<id>` with the compiled seccomp filter. */
  readonly seccompFile?: string;
}

/** A runtime with runc's command line. */
export class OciRuntime implements RuntimeDriver {
  readonly name: string;
  readonly path: string;
  readonly root: string;
  readonly #choice: RuntimeChoice;
  readonly #family: Family;

  constructor(choice: RuntimeChoice, family: Family) {
    this.name = choice.name;
    this.path = choice.path;
    this.root = choice.root;
    this.#choice = choice;
    this.#family = family;
  }

  async create(options: CreateOptions): Promise<number> {
    const { id, bundle, consoleSocket, stdio, signal } = options;
    const pidFile = join(bundle, "pid");
    const args = ["create", "--bundle", bundle, "--pid-file", pidFile];
    if (consoleSocket !== undefined) args.push("--console-socket", consoleSocket);
    try {
      rmSync(pidFile, { force: true }); // an earlier run's must not be taken for this one's
      await invoke(this.#choice, [...args, id], { stdio, signal });
      return readPid(pidFile, this.name);
    } catch (error) {
      throw runtimeError("create", error, { id });
    }
  }

  async undoCreate(id: string, bundle: string): Promise<void> {
    try {
      await this.delete(id, { force: true });
    } finally {
      await removeCgroupsOf(bundle);
    }
  }

  async start(id: string): Promise<void> {
    try {
      if (await this.#family.release?.(this.root, id)) return;
      await invoke(this.#choice, ["start", id]);
    } catch (error) {
      throw runtimeError("start", error, { id });
    }
  }

  async exec(options: ExecOptions): Promise<number> {
    const { id, processFile, pidFile, consoleSocket, stdio, signal } = options;
    const args = ["exec", "--detach", "--pid-file", pidFile, "--process", processFile];
    if (consoleSocket !== undefined) args.push("--console-socket", consoleSocket);
    try {
      await invoke(this.#choice, [...args, id], { stdio, signal });
      return readPid(pidFile, this.name);
    } catch (error) {
      throw runtimeError("exec", error, { id });
    } finally {
      rmSync(pidFile, { force: true });
    }
  }

  standbyExec(options: { id: string; pidFile: string; stdio: ExecOptions["stdio"] }): StandbyExec {
    return standbyExec(this.#choice, options);
  }

  async kill(id: string, signal: number, options: { all?: boolean } = {}): Promise<void> {
    if (options.all) return this.#killAll(id, signal);
    const state = this.#state(id);
    if (!state) return this.#killByCommand(id, signal);
    if (!signalProcess(state.pid, signal, state.startTicks)) throw notRunning(id);
  }

  pause(id: string): Promise<void> {
    return this.#run(id, ["pause", id]);
  }

  resume(id: string): Promise<void> {
    return this.#run(id, ["resume", id]);
  }

  async update(id: string, resources: object): Promise<void> {
    const file = `${this.root}-log/${process.pid}.update.${++updates}`;
    writeFileSync(file, JSON.stringify(resources), { mode: 0o600 });
    try {
      await this.#run(id, ["update", "--resources", file, id]);
    } finally {
      await Bun.file(file).delete();
    }
  }

  async delete(id: string, options: { force?: boolean } = {}): Promise<void> {
    if (this.#family.remove?.(this.root, id)) return;
    try {
      await invoke(this.#choice, options.force ? ["delete", "--force", id] : ["delete", id]);
    } catch (error) {
      if (await this.#unknown(id)) return;
      throw runtimeError("other", error, { id });
    }
  }

  async pids(id: string): Promise<number[]> {
    const state = this.#state(id);
    if (!this.#family.state) return this.#pidsByCommand(id);
    for (const cgroup of state?.cgroups ?? []) {
      const pids = await pidsBelow(cgroup);
      if (pids.length > 0) return pids;
    }
    return state && startTicksOf(state.pid) === state.startTicks ? [state.pid] : [];
  }

  /** Base64 of the filter that the runtime compiled for this container; valid between create and delete. */
  async compiledSeccomp(id: string): Promise<string | undefined> {
    if (!this.#family.seccompFile) return undefined;
    try {
      const filter = await readFile(join(this.root, id, this.#family.seccompFile));
      return filter.length > 0 ? filter.toString("base64") : undefined;
    } catch {
      return undefined; // no filter, or a version that leaves none
    }
  }

  #state(id: string): RuntimeState | undefined {
    return this.#family.state?.(this.root, id);
  }

  async #killByCommand(id: string, signal: number): Promise<void> {
    try {
      await invoke(this.#choice, ["kill", id, String(signal)]);
    } catch (error) {
      if (/not running|does not exist|no such process|no such file/i.test(errorMessage(error))) throw notRunning(id);
      throw runtimeError("other", error, { id });
    }
  }

  async #pidsByCommand(id: string): Promise<number[]> {
    try {
      const text = await invokeForOutput(
        this.path,
        [...this.#choice.args, "--root", this.root, "ps", "--format", "json", id],
        psTimeoutMs,
      );
      const pids: unknown = JSON.parse(text);
      return Array.isArray(pids) ? pids.filter((pid): pid is number => Number.isInteger(pid)) : [];
    } catch {
      return []; // it is gone, or this program has no ps
    }
  }

  async #run(id: string, args: readonly string[]): Promise<void> {
    try {
      await invoke(this.#choice, args);
    } catch (error) {
      throw runtimeError("other", error, { id });
    }
  }

  /** Signals every process of the cgroup, again until no new one shows up: a fork may escape one round. */
  async #killAll(id: string, signal: number): Promise<void> {
    const seen = new Set<number>();
    for (let round = 0; round < 10; round++) {
      const fresh = (await this.pids(id)).filter((pid) => !seen.has(pid));
      if (fresh.length === 0) break;
      for (const pid of fresh) {
        seen.add(pid);
        signalProcess(pid, signal);
      }
    }
    if (seen.size === 0) throw notRunning(id);
  }

  async #unknown(id: string): Promise<boolean> {
    try {
      return !(await readdir(this.root)).includes(id);
    } catch {
      return true; // no state folder at all
    }
  }
}

let updates = 0;
const psTimeoutMs = 10_000;

const notRunning = (id: string): EngineError => new EngineError("not-found", `container ${id} is not running`, { id });

/** False when the process is gone, or the pid belongs to another one by now. */
function signalProcess(pid: number, signal: number, startTicks?: string): boolean {
  let pidfd: number;
  try {
    pidfd = openPidfd(pid);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ESRCH") return false;
    throw error;
  }
  try {
    // looked at after the open: the descriptor then is of the process with this start time
    if (startTicks !== undefined && startTicksOf(pid) !== startTicks) return false;
    signalPidfd(pidfd, signal);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ESRCH") return false;
    throw error;
  } finally {
    closeSync(pidfd);
  }
}

/** Processes of a cgroup and of those below it: a container with its own cgroup namespace may make some. */
async function pidsBelow(cgroup: string): Promise<number[]> {
  const pids: number[] = [];
  try {
    const text = await readFile(join(cgroup, "cgroup.procs"), "utf8");
    for (const line of text.split("\n")) if (line !== "") pids.push(Number(line));
    for (const entry of await readdir(cgroup, { withFileTypes: true })) {
      if (entry.isDirectory()) pids.push(...(await pidsBelow(join(cgroup, entry.name))));
    }
  } catch {
    return pids; // the cgroup went away meanwhile
  }
  return pids;
}
