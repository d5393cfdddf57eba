import { EngineError, errorMessage } from "../../base/errors.ts";
import { timerMs } from "../../base/timer.ts";
import type { Core } from "../core.ts";
import type { CollectionOptions } from "../options.ts";
import type { Uploads } from "../uploads/uploads.ts";
import { collect, type Collected } from "./collect.ts";

const endedNote = "collection-ended";
/** A start has other things to do first. */
const settleMs = 60_000;

export interface LastCollection extends Collected {
  readonly endedAt: string;
  readonly tookMs: number;
}

/** Runs collections, one at a time: those that are asked for, and one every so often. */
export class Collector implements AsyncDisposable {
  readonly #core: Core;
  readonly #uploads: Uploads;
  readonly #options: CollectionOptions;
  readonly #stop = new AbortController();
  readonly #collected: (blobs: number, bytes: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<Collected> | undefined;
  #last: LastCollection | undefined;

  constructor(
    core: Core,
    uploads: Uploads,
    options: CollectionOptions & { collected: (blobs: number, bytes: number) => void },
  ) {
    this.#core = core;
    this.#uploads = uploads;
    this.#options = options;
    this.#collected = options.collected;
    this.#schedule();
  }

  get status(): { running: boolean; last: LastCollection | undefined } {
    return { running: this.#running !== undefined, last: this.#last };
  }

  /** Throws `conflict` while another one runs. */
  async run(options: { dryRun: boolean; untagged?: boolean }): Promise<Collected> {
    if (this.#running !== undefined) throw new EngineError("conflict", "a collection is running already");
    const startedAt = performance.now();
    this.#running = collect(this.#core, this.#uploads, {
      ...this.#options,
      ...options,
      untagged: options.untagged ?? this.#options.untagged,
      signal: this.#stop.signal,
    });
    try {
      const done = await this.#running;
      if (!options.dryRun) {
        this.#last = { ...done, endedAt: new Date().toISOString(), tookMs: Math.round(performance.now() - startedAt) };
        this.#collected(done.blobs, done.bytes);
        this.#core.db
          .query("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)")
          .run(endedNote, String(Date.now()));
        this.#core.log.info("a collection ended", { ...this.#last });
      }
      return done;
    } finally {
      this.#running = undefined;
    }
  }

  #schedule(): void {
    if (this.#options.everyMs === 0) return;
    this.#timer = setTimeout(() => void this.#periodic(), timerMs(this.#dueInMs()));
    this.#timer.unref();
  }

  /** Counted from the last one's end, restarts or not. */
  #dueInMs(): number {
    const row = this.#core.db
      .query<{ value: string }, [string]>("SELECT value FROM notes WHERE name = ?")
      .get(endedNote);
    const lastMs = row === null ? Date.now() : Math.min(Date.now(), Number(row.value));
    return Math.max(Math.min(settleMs, this.#options.everyMs), lastMs + this.#options.everyMs - Date.now());
  }

  async #periodic(): Promise<void> {
    try {
      if (this.#running === undefined) await this.run({ dryRun: false });
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#core.log.error("a collection failed", { error: errorMessage(error) });
    }
    if (!this.#stop.signal.aborted) this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#running?.catch(() => {
      // cut: the next one goes on
    });
  }
}
