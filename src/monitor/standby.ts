import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { StandbyExec } from "../runtime/driver.ts";
import { openRuntime } from "../runtime/drivers.ts";
import { standbyProcessBytes } from "../runtime/standby-exec.ts";
import type { ExecProcess } from "./protocol.ts";
import { execPrefix, type MadeFifos, makeFifos, renameFifos } from "./stdio.ts";

/** Execs that follow one another this fast are a burst, and the next one is got ready. */
const burstMs = 1_000;
/** One that nobody came for goes: it takes a megabyte. */
const keptMs = 3_000;
const mostReady = 4;
/** Of the last ten seconds, in which somebody waited for a processor. */
const busyPercent = 40;
/** The exec that has just begun goes first. */
const pauseMs = 1;

/** An exec that waits for its process object. */
export interface ReadyExec {
  readonly fifos: MadeFifos;
  run(options: { signal?: AbortSignal }): Promise<number>;
}

interface Ready {
  readonly shape: string;
  readonly prefix: string;
  readonly fifos: MadeFifos;
  readonly exec: StandbyExec;
  readonly timer: Timer;
}

/**
 * Keeps an exec ready for containers that get one after the other. It is the runtime's own program with the runtime's
 * own checks, begun early; only its process object and the names of its pipes come later.
 */
export class Standby {
  readonly #ready = new Map<string, Ready>();
  readonly #lastMs = new Map<string, number>();
  #count = 0;

  /** The exec that is ready for this one, its pipes renamed; undefined = begin it anew. */
  take(spec: ExecProcess): ReadyExec | undefined {
    const ready = this.#ready.get(spec.id);
    if (!ready) return undefined;
    if (ready.shape !== shapeOf(spec) || !ready.exec.ready) {
      this.drop(spec.id);
      return undefined;
    }
    const text = readFileSync(spec.processFile, "utf8");
    if (Buffer.byteLength(text) > standbyProcessBytes) return undefined;
    this.#ready.delete(spec.id);
    clearTimeout(ready.timer);
    const prefix = execPrefix(spec);
    renameFifos(ready.prefix, prefix);
    const { fifos, exec } = ready;
    return { fifos: { ...fifos, undo: () => fifos.undo(prefix) }, run: (options) => exec.run(text, options) };
  }

  /** An exec has begun: in a burst the next one is got ready. `wanted` = its container runs still. */
  used(spec: ExecProcess, wanted: () => boolean): void {
    const now = performance.now();
    const last = this.#lastMs.get(spec.id);
    this.#lastMs.set(spec.id, now);
    if (spec.tty || last === undefined || now - last > burstMs) return;
    setTimeout(() => {
      if (wanted() && !this.#ready.has(spec.id) && this.#ready.size < mostReady && !processorsAreBusy())
        this.#prepare(spec);
    }, pauseMs).unref();
  }

  /** The container has ended, or the program it waits with will not do. */
  drop(id: string): void {
    const ready = this.#ready.get(id);
    if (!ready) return;
    this.#ready.delete(id);
    clearTimeout(ready.timer);
    ready.exec.drop();
    ready.fifos.closeChild();
    ready.fifos.undo();
  }

  forget(id: string): void {
    this.drop(id);
    this.#lastMs.delete(id);
  }

  close(): void {
    for (const id of [...this.#ready.keys()]) this.drop(id);
  }

  #prepare(spec: ExecProcess): void {
    const prefix = join(dirname(spec.processFile), `ready${++this.#count}.`);
    const runtime = openRuntime(spec.runtime);
    try {
      const { stdin, stdout, stderr } = spec;
      const fifos = makeFifos({ prefix, stdin, stdout, stderr });
      const exec = runtime.standbyExec?.({ id: spec.id, pidFile: `${prefix}pid`, stdio: fifos.child });
      if (!exec) return fifos.undo();
      const timer = setTimeout(() => this.drop(spec.id), keptMs);
      this.#ready.set(spec.id, { shape: shapeOf(spec), prefix, fifos, exec, timer });
    } catch (error) {
      // an exec without it takes its own way, and says what is wrong
      console.error(`no exec could be got ready in ${spec.id}:`, error);
    }
  }
}

/** What is got ready on a machine without idle processors is taken from what runs. Linux >= 4.20 tells. */
function processorsAreBusy(): boolean {
  try {
    return Number(/^some avg10=([\d.]+)/.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1]) > busyPercent;
  } catch {
    return false;
  }
}

const shapeOf = ({ tty, stdin, stdout, stderr, runtime }: ExecProcess): string =>
  JSON.stringify([tty, stdin, stdout, stderr, runtime]);
