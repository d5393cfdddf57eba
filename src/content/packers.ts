import { availableParallelism } from "node:os";
import { EngineError } from "../base/errors.ts";
import type { PackCompression, PackedBlock, PackOrder } from "./pack-block.ts";

const blockBytes = 1024 * 1024; // smaller ones compress worse, larger ones make workers wait for each other
const idleMs = 3000;

/** Worker threads that compress blobs, several blocks at once. One blob at a time has them all. */
export class Packers {
  readonly #count: number;
  #workers: PackWorker[] = [];
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(options: { workers?: number } = {}) {
    this.#count = options.workers ?? Math.max(1, Math.min(8, availableParallelism()));
  }

  /** The compressed bytes of a source; always the same for the same source. */
  async *pack(
    source: AsyncIterable<Uint8Array>,
    options: { compression: PackCompression; signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array, void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = before.then(() => promise);
    await before;
    clearTimeout(this.#timer);
    const running: Promise<Uint8Array>[] = [];
    try {
      let next = 0;
      for await (const bytes of blocks(source)) {
        options.signal?.throwIfAborted();
        running.push(this.#worker(next++ % this.#count).pack({ bytes, compression: options.compression }));
        // each worker has one block in work and one that waits
        const ready = running.length >= this.#count * 2 ? running.shift() : undefined;
        if (ready) yield await ready;
      }
      for (let ready = running.shift(); ready; ready = running.shift()) yield await ready;
    } finally {
      await Promise.allSettled(running);
      this.#timer = setTimeout(() => this.close(), idleMs);
      this.#timer.unref();
      resolve();
    }
  }

  /** Ends the Workers; the next pack starts new ones. */
  close(): void {
    for (const worker of this.#workers.splice(0)) worker.end();
  }

  #worker(index: number): PackWorker {
    const there = this.#workers[index];
    if (there && !there.failed) return there;
    const made = new PackWorker();
    this.#workers[index] = made;
    return made;
  }
}

class PackWorker {
  readonly #worker = new Worker(new URL("./pack-worker.ts", import.meta.url).href, { ref: false });
  readonly #waiting: { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }[] = [];
  failed = false;

  constructor() {
    // answers come in the order of the orders
    this.#worker.onmessage = ({ data }: MessageEvent<PackedBlock>) => this.#waiting.shift()?.resolve(data.bytes);
    this.#worker.onerror = (event) => {
      this.failed = true;
      for (const { reject } of this.#waiting.splice(0))
        reject(new EngineError("internal", `the compressing thread failed: ${event.message}`));
    };
  }

  pack(order: PackOrder): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    promise.catch(() => {}); // awaited in the order of the blocks
    this.#waiting.push({ resolve, reject });
    this.#worker.postMessage(order, [order.bytes.buffer]);
    return promise;
  }

  end(): void {
    this.#worker.terminate();
  }
}

/** Blocks of one size, each in memory of its own. An empty source is one empty block. */
async function* blocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let block = new Uint8Array(blockBytes);
  let filled = 0;
  let any = false;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + blockBytes - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < blockBytes) continue;
      yield block;
      any = true;
      block = new Uint8Array(blockBytes);
      filled = 0;
    }
  }
  if (filled > 0 || !any) yield block.slice(0, filled);
}
