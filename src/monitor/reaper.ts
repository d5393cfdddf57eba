import { closeSync } from "node:fs";
import { SyscallError } from "../kernel/call.ts";
import {
  exitCodeOfPidfd,
  exitCodeOfZombie,
  openIdentified,
  pidfdState,
  pidfdsTellExits,
} from "../kernel/process/pidfd.ts";
import { ProcEvents } from "../kernel/process/proc-events.ts";
import { anyZombie, reap } from "../kernel/process/wait.ts";
import { runtimePids } from "../runtime/invoke.ts";

/** How a watched process ended; undefined exit code = nobody could tell. */
export type OnExit = (exitCode: number | undefined) => void;

interface Foreign {
  readonly pidfd: number;
  readonly onExit: OnExit;
  /** When it was first seen to be gone without a code. */
  goneAtMs: number;
}

/** init of a container VM was seen to take 1.6 s to reap; after this the code is given up. */
const codeTimeoutMs = 5_000;
const keptStrays = 4096;

/**
 * Learns of the end of processes: of children by SIGCHLD and waitid, of others (adopted after a crash, so children
 * of somebody else) by a pidfd that is looked at when their output ends, when the daemon says so, and by a timer.
 */
export class Reaper {
  readonly #children = new Map<number, OnExit>();
  /** Ended before anybody asked: an exec may end before its pid file is read. */
  readonly #strays = new Map<number, number>();
  readonly #foreign = new Map<number, Foreign>();
  readonly #told = new Map<number, number>();
  #timer: Timer | undefined;
  /** The kernel's news of all exits, as long as there are foreign processes whose pidfd tells no code. */
  #events: ProcEvents | undefined;
  readonly #pidfdsTell: boolean;

  constructor(options: { pidfdsTell?: boolean } = {}) {
    this.#pidfdsTell = options.pidfdsTell ?? pidfdsTellExits();
    process.on("SIGCHLD", () => this.scan());
  }

  /** Calls back once, later, when the process has ended. Undefined identity = it is our child for sure. */
  watch(pid: number, onExit: OnExit): void {
    this.#children.set(pid, onExit);
    this.#check(pid);
    // a child that lives: the stray was an earlier process with this pid
    this.#strays.delete(pid);
  }

  /**
   * The same for a process that may be somebody else's child. When that very process has ended already nobody is
   * called back, and the answer is its code as far as it is known.
   */
  watchForeign(
    pid: number,
    identity: string,
    onExit: OnExit,
  ): { alive: true } | { alive: false; exitCode: number | undefined } {
    const pidfd = openIdentified(pid, identity);
    if (pidfd === undefined) return { alive: false, exitCode: this.#told.get(pid) };
    if (pidfdState(pidfd) !== "alive") {
      const exitCode = this.#codeOf(pid, pidfd);
      closeSync(pidfd);
      return { alive: false, exitCode };
    }
    this.#foreign.set(pid, { pidfd, onExit, goneAtMs: 0 });
    if (!this.#pidfdsTell) this.#events ??= ProcEvents.open();
    this.#timer ??= setInterval(() => this.look(), 200);
    return { alive: true };
  }

  /** The code of a process that is gone, if the daemon tells it within the time. */
  async codeTold(pid: number, timeoutMs: number): Promise<number | undefined> {
    const deadline = Date.now() + timeoutMs;
    while (!this.#told.has(pid) && Date.now() < deadline) await Bun.sleep(5);
    return this.#told.get(pid);
  }

  isForeign(pid: number): boolean {
    return this.#foreign.has(pid);
  }

  /** Exit code of an earlier child that the daemon reaped. */
  told(pid: number, exitCode: number): void {
    this.#told.set(pid, exitCode);
    this.look();
  }

  forget(pid: number): void {
    this.#children.delete(pid);
    this.#dropForeign(pid);
  }

  /** Signals coalesce, so every known child is asked; 250 of them take 0.14 ms. */
  scan(): void {
    for (const pid of [...this.#children.keys()]) this.#check(pid);
    for (let zombie = anyZombie(); zombie && !runtimePids.has(zombie.pid); zombie = anyZombie()) {
      if (this.#children.has(zombie.pid)) {
        this.#check(zombie.pid); // it ended since the round above
        continue;
      }
      const ended = reap(zombie.pid);
      if (!ended) break;
      this.#strays.set(ended.pid, ended.exitCode);
      const oldest = this.#strays.keys().next();
      if (this.#strays.size > keptStrays && !oldest.done) this.#strays.delete(oldest.value);
    }
  }

  /** Looks whether processes of others have ended. */
  look(): void {
    for (const { pid, exitCode } of this.#events?.exits() ?? [])
      if (this.#foreign.has(pid)) this.#told.set(pid, exitCode);
    for (const [pid, entry] of [...this.#foreign]) {
      const state = pidfdState(entry.pidfd);
      if (state === "alive") continue;
      const code = this.#codeOf(pid, entry.pidfd);
      entry.goneAtMs ||= Date.now();
      if (code === undefined && Date.now() - entry.goneAtMs < codeTimeoutMs) continue;
      this.#told.delete(pid);
      this.#dropForeign(pid);
      entry.onExit(code);
    }
  }

  #codeOf(pid: number, pidfd: number): number | undefined {
    // the descriptor is of this very process; what the daemon told may be of an earlier one with its pid
    return (
      (this.#pidfdsTell ? exitCodeOfPidfd(pidfd) : undefined) ??
      this.#told.get(pid) ??
      exitCodeOfZombie(pid) ??
      childCode(pid)
    );
  }

  #dropForeign(pid: number): void {
    const entry = this.#foreign.get(pid);
    if (!entry) return;
    this.#foreign.delete(pid);
    closeSync(entry.pidfd);
    if (this.#foreign.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#events?.close();
    this.#events = undefined;
  }

  #check(pid: number): void {
    let code: number | undefined;
    try {
      const ended = reap(pid);
      if (!ended) return;
      code = ended.exitCode;
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "ECHILD") throw error;
      // it was reaped before anybody asked, or by somebody else, and then nobody can tell
      code = this.#strays.get(pid);
    }
    const onExit = this.#children.get(pid);
    this.#children.delete(pid);
    if (onExit) queueMicrotask(() => onExit(code));
  }
}

function childCode(pid: number): number | undefined {
  try {
    return reap(pid)?.exitCode;
  } catch {
    return undefined; // not our child
  }
}
