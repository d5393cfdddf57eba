import { EngineError } from "../../base/errors.ts";

/** Lets so many pieces of work go on at once, first come first served. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  readonly #permits: () => number;
  #taken = 0;

  /** `permits` is read at each turn, so that a changed setting is seen. */
  constructor(permits: () => number) {
    this.#permits = permits;
  }

  /** Waits for a turn; disposing gives it back. Throws `cancelled` when the signal fires before. */
  async acquire(signal: AbortSignal): Promise<Disposable> {
    if (this.#taken < this.#permits()) this.#taken++;
    else {
      const turn = Promise.withResolvers<void>();
      const take = (): void => turn.resolve();
      const abort = (): void => {
        const at = this.#waiting.indexOf(take);
        if (at < 0) return; // its turn has come already
        this.#waiting.splice(at, 1);
        turn.reject(new EngineError("cancelled", "the build was cancelled"));
      };
      this.#waiting.push(take);
      signal.addEventListener("abort", abort, { once: true });
      try {
        await turn.promise;
      } finally {
        signal.removeEventListener("abort", abort);
      }
    }
    return { [Symbol.dispose]: () => this.#release() };
  }

  #release(): void {
    this.#taken--;
    while (this.#taken < this.#permits()) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#taken++;
      next();
    }
  }
}
