/**
 * What this process does for each container at the moment. Nothing here outlives the daemon: rows say what is meant,
 * `restore` finds out what is.
 */
export class Activity {
  readonly #starting = new Map<string, Promise<void>>();
  readonly #settling = new Map<string, Promise<void>>();
  readonly #restarts = new Map<string, { timer: ReturnType<typeof setTimeout>; delayMs: number }>();
  readonly #delays = new Map<string, number>();
  #listener: (id: string) => void = () => undefined;
  #goneListener: (id: string) => void = () => undefined;
  readonly #kept = new Map<string, number>();
  readonly #demanded = new Set<string>();

  /** While it is held, the container's exit does not remove it: a restart by hand stops and starts (moby parity). */
  keep(id: string): Disposable {
    this.#kept.set(id, (this.#kept.get(id) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const holders = (this.#kept.get(id) ?? 0) - 1;
        if (holders > 0) this.#kept.set(id, holders);
        else this.#kept.delete(id);
      },
    };
  }

  isKept(id: string): boolean {
    return this.#kept.has(id);
  }

  /** The coming exit shall be followed by a start whatever the policy says (`--health-on-failure restart`). */
  demandRestart(id: string): void {
    this.#demanded.add(id);
  }

  /** Whether a restart was demanded; asking forgets it. */
  takeDemand(id: string): boolean {
    return this.#demanded.delete(id);
  }

  /** Marks a start until `work` settles: exits that come meanwhile wait for it. */
  async starting<T>(id: string, work: () => Promise<T>): Promise<T> {
    const result = await track(this.#starting, id, work);
    this.#listener(id);
    return result;
  }

  /** Called after each start that succeeded, by user or policy. */
  onStarted(listener: (id: string) => void): void {
    this.#listener = listener;
  }

  /** Marks the clean-up after a run: the next start and a removal wait for it. */
  settling<T>(id: string, work: () => Promise<T>): Promise<T> {
    return track(this.#settling, id, work);
  }

  /** Resolves when no start of the container is under way. Never rejects. */
  started(id: string): Promise<void> {
    return this.#starting.get(id) ?? Promise.resolve();
  }

  /** The clean-up after the last run that is under way, which never rejects; undefined when none is. */
  settled(id: string): Promise<void> | undefined {
    return this.#settling.get(id);
  }

  /** Plans the next start of the restart policy. The delay doubles from 100 ms to a minute (moby parity). */
  planRestart(id: string, restart: () => void): void {
    this.cancelRestart(id);
    const delayMs = Math.min((this.#delays.get(id) ?? 50) * 2, 60_000);
    this.#delays.set(id, delayMs);
    const timer = setTimeout(() => {
      this.#restarts.delete(id);
      restart();
    }, delayMs);
    this.#restarts.set(id, { timer, delayMs });
  }

  /** The run was long enough (10 s, moby parity): the next delay begins anew. */
  resetRestartDelay(id: string): void {
    this.#delays.delete(id);
  }

  /** Whether a planned start was there to cancel. */
  cancelRestart(id: string): boolean {
    const planned = this.#restarts.get(id);
    if (planned) clearTimeout(planned.timer);
    return this.#restarts.delete(id);
  }

  /** Called with each container that is being removed. */
  onGone(listener: (id: string) => void): void {
    this.#goneListener = listener;
  }

  forget(id: string): void {
    this.cancelRestart(id);
    this.#delays.delete(id);
    this.#demanded.delete(id);
    this.#goneListener(id);
  }

  close(): void {
    for (const id of [...this.#restarts.keys()]) this.cancelRestart(id);
  }
}

function track<T>(map: Map<string, Promise<void>>, id: string, work: () => Promise<T>): Promise<T> {
  const result = work();
  // The tracked promise only tells "over"; the result and its error go to the caller.
  const over: Promise<void> = result.then(
    () => undefined,
    () => undefined,
  );
  map.set(id, over);
  void over.then(() => {
    if (map.get(id) === over) map.delete(id);
  });
  return result;
}
