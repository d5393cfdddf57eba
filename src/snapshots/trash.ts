import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { TrashOrder, TrashReply } from "./trash-worker.ts";

const idleMs = 3000; // a thread costs about 3 MB

/**
 * Where folders go to be deleted: the rename is at once, the deleting goes on in a thread, one after the other, as it
 * may take seconds. What is left when the process ends, or could not be deleted, is tried again by the next one.
 */
export class Trash {
  readonly #folder: string;
  readonly #waiting: string[] = [];
  #worker: Worker | undefined;
  #idle: Timer | undefined;
  #settled = Promise.withResolvers<void>();
  #busy = false;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#settled.resolve();
    for (const name of readdirSync(folder)) this.#delete(name);
  }

  /** Takes the path away. No error when it is not there. */
  put(path: string): void {
    const name = `${process.pid}-${Date.now()}-${++this.#count}`;
    try {
      renameSync(path, join(this.#folder, name));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      throw error;
    }
    this.#delete(name);
  }

  /** Takes everything in the folder away. */
  sweep(folder: string): void {
    for (const name of readdirSync(folder)) this.put(join(folder, name));
  }

  /** Waits until all that was put here was tried. */
  settled(): Promise<void> {
    return this.#settled.promise;
  }

  #delete(name: string): void {
    if (!this.#busy && this.#waiting.length === 0) this.#settled = Promise.withResolvers<void>();
    this.#waiting.push(name);
    this.#next();
  }

  #next(): void {
    if (this.#busy) return;
    const name = this.#waiting.shift();
    if (name === undefined) {
      this.#idle = setTimeout(() => this.#end(), idleMs);
      this.#idle.unref();
      return this.#settled.resolve();
    }
    clearTimeout(this.#idle);
    this.#busy = true;
    const order: TrashOrder = { folder: this.#folder, name };
    // tests remove the whole data root: then nothing is left to do
    if (!existsSync(this.#folder)) return this.#done();
    this.#worker ??= this.#start();
    this.#worker.postMessage(order);
  }

  #done(): void {
    this.#busy = false;
    this.#next();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./trash-worker.ts", import.meta.url).href, { ref: false });
    worker.onmessage = (_event: MessageEvent<TrashReply>) => this.#done();
    worker.onerror = () => {
      this.#worker = undefined; // the next start tries again what this one was at
      worker.terminate();
      this.#done();
    };
    return worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}
