import { Refusal } from "../refusal.ts";

/** A body as it comes, which can be given up from outside while nothing comes. */
export class Incoming implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #movedAt = performance.now();
  #reject: (reason: Error) => void = () => {};

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  get idleMs(): number {
    return performance.now() - this.#movedAt;
  }

  /** Ends the body with a failure. */
  giveWay(): void {
    this.#reject(new Refusal("BLOB_UPLOAD_INVALID", "another request goes on with this upload"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        this.#reject = reject;
        this.#chunks.next().then(resolve, reject);
      });
      this.#movedAt = performance.now();
      if (next.done === true) return;
      yield next.value;
    }
  }
}
