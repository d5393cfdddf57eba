import { closeSync, openSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import type { CopyReply, CopyRequest } from "./copy-worker.ts";

const idleMs = 10_000; // the next container of a compose project comes sooner
const maxThreads = 4; // copies wait for the disk, and a small one shall not wait for a big one

/** Copies trees in Workers that are kept for a while: starting one takes longer than copying a small folder. */
export class Copier {
  readonly #idle: Worker[] = [];
  readonly #queue: (() => void)[] = [];
  #threads = 0;
  #closing: ReturnType<typeof setTimeout> | undefined;

  /** Copies what is in one folder into an empty one, and its attributes; both descriptors stay the caller's. `quiet`: nobody changes the source. */
  tree(
    sourceFd: number,
    targetFd: number,
    { signal, quiet = false }: { signal?: AbortSignal | undefined; quiet?: boolean } = {},
  ): Promise<void> {
    return this.#ask({ sourceFd, targetFd, what: "tree", quiet }, signal);
  }

  /** Owner, mode, times and extended attributes of the folder alone. */
  attributes(sourceFd: number, targetFd: number): Promise<void> {
    return this.#ask({ sourceFd, targetFd, what: "attributes", quiet: false });
  }

  /** Waits until all of a folder's file system is on the disk. */
  async sync(folder: string): Promise<void> {
    // syncfs(2) takes no O_PATH descriptor
    const fd = openSync(folder, "r");
    try {
      await this.#ask({ sourceFd: fd, targetFd: fd, what: "sync", quiet: false });
    } finally {
      closeSync(fd);
    }
  }

  async #ask(request: Omit<CopyRequest, "stop">, signal?: AbortSignal): Promise<void> {
    const worker = await this.#take();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const abort = (): void => void Atomics.store(flag, 0, 1);
    const { promise, resolve, reject } = Promise.withResolvers<CopyReply>();
    worker.onmessage = (event: MessageEvent<CopyReply>) => resolve(event.data);
    worker.onerror = (event) => reject(new EngineError("internal", `the copying thread failed: ${event.message}`));
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      worker.postMessage({ ...request, stop: flag.buffer } satisfies CopyRequest);
      const { failure } = await promise;
      this.#giveBack(worker);
      if (failure) throw new EngineError(failure.kind, failure.message);
    } catch (error) {
      if (!this.#idle.includes(worker)) this.#end(worker);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #take(): Promise<Worker> {
    clearTimeout(this.#closing);
    for (;;) {
      const idle = this.#idle.pop();
      if (idle) return idle;
      if (this.#threads < maxThreads) break;
      await new Promise<void>((resolve) => void this.#queue.push(resolve));
    }
    this.#threads++;
    return new Worker(new URL("./copy-worker.ts", import.meta.url).href);
  }

  #giveBack(worker: Worker): void {
    this.#idle.push(worker);
    this.#queue.shift()?.();
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.close(), idleMs);
    this.#closing.unref();
  }

  #end(worker: Worker): void {
    this.#threads--;
    worker.terminate();
    this.#queue.shift()?.();
  }

  /** Ends the threads that have nothing to do. */
  close(): void {
    clearTimeout(this.#closing);
    for (const worker of this.#idle.splice(0)) this.#end(worker);
  }
}
