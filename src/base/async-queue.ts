/** Values from one side to another that takes them one by one; `push` resolves when the value was taken. */
export class AsyncQueue<Value> implements AsyncIterable<Value> {
  readonly #values: { readonly value: Value; readonly taken: () => void }[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  /** After `end` nothing is taken any more: the value is dropped. */
  push(value: Value): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#values.push({ value, taken: resolve });
      this.#wake?.();
    });
  }

  /** No more values: what is there is still taken. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value> {
    try {
      for (;;) {
        const next = this.#values.shift();
        if (next) {
          try {
            yield next.value;
          } finally {
            next.taken();
          }
        } else if (this.#ended) return;
        else {
          const woken = Promise.withResolvers<void>();
          this.#wake = woken.resolve;
          await woken.promise;
          this.#wake = undefined;
        }
      }
    } finally {
      // whoever took them stopped: nobody waits for ever
      this.#ended = true;
      for (const { taken } of this.#values.splice(0)) taken();
    }
  }
}
