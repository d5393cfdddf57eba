import { EngineError } from "./errors.ts";

/** Serialises work by key, first come first served. A key that nobody holds costs nothing. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Waits for the key and returns its release as a disposable: `await using _ = await lock.acquire(id, ...)`.
   * Throws `deadline` when the holder does not let go in time, `cancelled` when the signal fires.
   */
  async acquire(key: string, options: { timeoutMs: number; what: string; signal?: AbortSignal }): Promise<Disposable> {
    const previous = this.#tails.get(key) ?? Promise.resolve();
    const { promise: mine, resolve: release } = Promise.withResolvers<void>();
    const tail = previous.then(() => mine);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    try {
      await waitFor(previous, options);
    } catch (error) {
      release();
      throw error;
    }
    return { [Symbol.dispose]: release };
  }

  /** Whether somebody holds or waits for the key. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }
}

async function waitFor(turn: Promise<void>, options: { timeoutMs: number; what: string; signal?: AbortSignal }) {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      reject(
        new EngineError(
          "deadline",
          `${options.what} is busy: another operation on it did not end in ${options.timeoutMs / 1000}s`,
        ),
      ),
    options.timeoutMs,
  );
  const abort = (): void => reject(new EngineError("cancelled", `waiting for ${options.what} was cancelled`));
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([turn, promise]);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  }
}
