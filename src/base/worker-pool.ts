import { EngineError } from "./errors.ts";

export interface WorkerPoolOptions {
  readonly url: string;
  readonly maxWorkers: number;
  /** What it does, for messages. */
  readonly what: string;
}

const idleMs = 3000; // a Worker costs a few MB: bursts use it again, an idle engine has none

/**
 * Worker threads that answer one request at a time. A Worker's reply is what it posts back; an exception in it drops
 * the Worker and rejects.
 */
export class WorkerPool<Request, Reply> {
  readonly #options: WorkerPoolOptions;
  readonly #idle: { worker: Worker; timer: Timer }[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** Waits for a free Worker, then for its answer. `internal` when the thread failed. */
  async ask(request: Request): Promise<Reply> {
    const worker = await this.#take();
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    worker.onmessage = (event: MessageEvent<Reply>) => resolve(event.data);
    worker.onerror = (event) => reject(new EngineError("internal", `${this.#options.what} failed: ${event.message}`));
    worker.postMessage(request);
    try {
      const reply = await promise;
      this.#give(worker);
      return reply;
    } catch (error) {
      this.#busy--;
      worker.terminate();
      this.#waiting.shift()?.();
      throw error;
    }
  }

  /** Ends idle Workers now. */
  close(): void {
    for (const { worker, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      worker.terminate();
    }
  }

  async #take(): Promise<Worker> {
    while (this.#busy >= this.#options.maxWorkers)
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#busy++;
    const idle = this.#idle.pop();
    if (!idle) return new Worker(this.#options.url, { ref: false });
    clearTimeout(idle.timer);
    return idle.worker;
  }

  #give(worker: Worker): void {
    this.#busy--;
    const timer = setTimeout(() => {
      const index = this.#idle.findIndex((entry) => entry.worker === worker);
      if (index >= 0) this.#idle.splice(index, 1);
      worker.terminate();
    }, idleMs);
    timer.unref();
    this.#idle.push({ worker, timer });
    this.#waiting.shift()?.();
  }
}
