import { timerMs } from "../../base/timer.ts";

/**
 * How long a request may take until its answer begins: `answerMs` from the last byte of its body on, and no more than
 * `stallMs` between two bytes of the body that the server takes. What gives the body has its own time.
 */
export class Watch {
  readonly #abort = new AbortController();
  readonly #answerMs: number;
  readonly #stallMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sourceFailed: Error | undefined;
  #expired = "";
  #done = false;

  constructor(answerMs: number, stallMs: number) {
    this.#answerMs = answerMs;
    this.#stallMs = stallMs;
    this.#arm(answerMs, `no answer in ${answerMs / 1000}s`);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why it was given up; empty when it was not. */
  get expired(): string {
    return this.#expired;
  }

  /** What the source of the body threw. */
  get sourceFailed(): Error | undefined {
    return this.#sourceFailed;
  }

  /** The answer is here, or the request has failed. */
  stop(): void {
    this.#done = true;
    clearTimeout(this.#timer);
  }

  async *follow(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    clearTimeout(this.#timer);
    try {
      for await (const bytes of body) {
        this.#arm(this.#stallMs, `no byte was taken for ${this.#stallMs / 1000}s`);
        yield bytes;
        clearTimeout(this.#timer);
      }
    } catch (error) {
      this.#sourceFailed = error instanceof Error ? error : new Error(String(error));
      this.#abort.abort();
      throw error;
    }
    this.#arm(this.#answerMs, `no answer in ${this.#answerMs / 1000}s`);
  }

  #arm(ms: number, why: string): void {
    if (this.#done || this.#abort.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#expired = why;
      this.#abort.abort();
    }, timerMs(ms));
  }
}
