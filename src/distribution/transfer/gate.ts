import { cancelled } from "./cancelled.ts";

/** Lets so many pass at a time, first come first served. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #width: number;
  #inside = 0;

  constructor(width: number) {
    this.#width = width;
  }

  /** A reload may change it; who is inside stays. */
  set width(width: number) {
    this.#width = width;
    this.#next();
  }

  /** Waits for room; disposing gives it back. Throws `cancelled`. */
  async enter(signal: AbortSignal | undefined): Promise<Disposable> {
    if (signal?.aborted) throw cancelled();
    const turn = Promise.withResolvers<void>();
    const wake = (): void => turn.resolve();
    const abort = (): void => {
      const at = this.#waiting.indexOf(wake);
      if (at < 0) return; // it is our turn already
      this.#waiting.splice(at, 1);
      turn.reject(cancelled());
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiting.push(wake);
    this.#next();
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#inside--;
        this.#next();
      },
    };
  }

  #next(): void {
    while (this.#inside < this.#width) {
      const wake = this.#waiting.shift();
      if (wake === undefined) return;
      this.#inside++;
      wake();
    }
  }
}
