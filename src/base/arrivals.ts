/** Things by name that may be asked for shortly before they are there. */
export class Arrivals<Value> {
  readonly #here = new Map<string, Value>();
  readonly #waiting = new Map<string, Set<(value: Value) => void>>();

  /** Makes a value known and gives it to all who wait. A name that is taken: false, and nothing changes. */
  add(name: string, value: Value): boolean {
    if (this.#here.has(name)) return false;
    this.#here.set(name, value);
    for (const wake of this.#waiting.get(name) ?? []) wake(value);
    this.#waiting.delete(name);
    return true;
  }

  has(name: string): boolean {
    return this.#here.has(name);
  }

  delete(name: string): void {
    this.#here.delete(name);
  }

  values(): Iterable<Value> {
    return this.#here.values();
  }

  /** The value, now or when it arrives. Rejects with what `missing` makes when it does not come in time. */
  get(name: string, options: { timeoutMs: number; missing: () => Error; signal?: AbortSignal }): Promise<Value> {
    const value = this.#here.get(name);
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, waiting);
      const settle = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", gone);
        waiting.delete(arrived);
        if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
      };
      const gone = (): void => {
        settle();
        reject(options.missing());
      };
      const arrived = (found: Value): void => {
        settle();
        resolve(found);
      };
      const timer = setTimeout(gone, options.timeoutMs);
      waiting.add(arrived);
      if (options.signal?.aborted) gone();
      else options.signal?.addEventListener("abort", gone, { once: true });
    });
  }
}
