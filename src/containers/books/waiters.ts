import { EngineError } from "../../base/errors.ts";

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface WaitResult {
  readonly exitCode: number;
  readonly error?: string;
}

/** Those who wait for a container to end or to go. */
export class Waiters {
  readonly #waiting = new Map<string, Set<{ condition: WaitCondition; settle: (result: WaitResult) => void }>>();

  /** Settles at the next exit, or with the removal; rejects `cancelled` when the signal fires. */
  add(id: string, condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
    const waiter = { condition, settle: resolve };
    const set = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, set.add(waiter));
    const abort = (): void => {
      this.#drop(id, waiter);
      reject(new EngineError("cancelled", `waiting for container ${id} was cancelled`));
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** The container's run ended. */
  exited(id: string, result: WaitResult): void {
    this.ending(id)(result);
  }

  /**
   * A run has ended, and those who wait for it hear of it when the result is given. Who comes in between waits for
   * the next run.
   */
  ending(id: string): (result: WaitResult) => void {
    const waiting = [...(this.#waiting.get(id) ?? [])].filter(({ condition }) => condition !== "removed");
    return (result) => {
      for (const waiter of waiting) {
        this.#drop(id, waiter);
        waiter.settle(result);
      }
    };
  }

  /** The container is gone: everybody wakes. */
  removed(id: string, result: WaitResult): void {
    for (const waiter of this.#waiting.get(id) ?? []) {
      this.#drop(id, waiter);
      waiter.settle(result);
    }
  }

  #drop(id: string, waiter: { condition: WaitCondition; settle: (result: WaitResult) => void }): void {
    const set = this.#waiting.get(id);
    set?.delete(waiter);
    if (set?.size === 0) this.#waiting.delete(id);
  }
}
