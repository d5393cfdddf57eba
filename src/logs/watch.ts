import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { LogQuery } from "./driver.ts";

/** Tells a follower that a log may have grown. A change between two calls of next() is not lost. */
export class Watch {
  ended = false;
  #changed = false;
  #wake: (() => void) | undefined;
  readonly #watcher: FSWatcher;
  readonly #query: LogQuery;
  readonly #onEnded = (): void => {
    this.ended = true;
    this.#notify();
  };
  readonly #notify = (): void => {
    this.#changed = true;
    this.#wake?.();
  };

  constructor(path: string, query: LogQuery) {
    this.#query = query;
    this.#watcher = watch(dirname(path), this.#notify);
    // the folder was removed: the container is gone, and `ended` comes
    this.#watcher.on("error", this.#notify);
    if (query.ended?.aborted) this.ended = true;
    query.ended?.addEventListener("abort", this.#onEnded, { once: true });
    query.signal?.addEventListener("abort", this.#notify, { once: true });
  }

  /** Waits for a change. False when the log has ended before it. */
  async next(): Promise<boolean> {
    if (!this.#changed && !this.ended && !this.#query.signal?.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    this.#query.signal?.throwIfAborted();
    const changed = this.#changed;
    this.#changed = false;
    return changed && !(this.ended && !changed);
  }

  close(): void {
    this.#watcher.close();
    this.#query.ended?.removeEventListener("abort", this.#onEnded);
    this.#query.signal?.removeEventListener("abort", this.#notify);
  }
}
