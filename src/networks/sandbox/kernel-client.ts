import { EngineError } from "../../base/errors.ts";
import type { Command, Failure, PortHold, Reply, Request } from "./commands.ts";

/** A command the kernel refused. */
export class KernelFailure extends Error {
  readonly code: string;
  readonly hold: PortHold | undefined;

  constructor(failure: Failure) {
    super(failure.message);
    this.code = failure.code;
    this.hold = failure.hold;
  }
}

const failureOf = (failure: Failure): Error =>
  failure.kind === undefined ? new KernelFailure(failure) : new EngineError(failure.kind, failure.message);

// Kernel work takes about a millisecond; half a minute means that the machine or the thread is stuck.
const answerWithinMs = 30_000;

// A flushed table is back within a second: what is left after the look is the time to write it again.
const watchEveryMs = 200;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly dueAt: number;
}

/** The main thread's end of the kernel Worker. */
export class KernelClient {
  #worker: Worker;
  #next = 0;
  #closed = false;
  readonly #pending = new Map<number, Pending>();
  readonly #onRulesLost: () => void;
  readonly #watchdog: Timer;

  constructor(options: { onRulesLost: () => void }) {
    this.#onRulesLost = options.onRulesLost;
    this.#worker = this.#start();
    // One timer for all commands: a timer each would cost more than many of the commands.
    this.#watchdog = setInterval(() => this.#expire(), 1000);
    this.#watchdog.unref();
  }

  call(command: Command): Promise<unknown> {
    if (this.#closed) return Promise.reject(new EngineError("unavailable", "the network engine is shut down"));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#next += 1;
    this.#pending.set(this.#next, { resolve, reject, dueAt: performance.now() + answerWithinMs });
    this.#worker.postMessage({ id: this.#next, command, faults: process.env["BERTH_FAULT"] ?? "" } satisfies Request);
    return promise;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.call({ op: "end" }); // its descriptors are the process's
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.#fail("the network engine is shut down");
    this.#worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./kernel-worker.ts", import.meta.url).href, { ref: false });
    worker.onmessage = (event: MessageEvent<Reply>) => this.#answer(event.data);
    worker.onerror = (event: ErrorEvent) => {
      if (this.#closed) return;
      this.#fail(`the network thread failed: ${event.message}`);
      worker.terminate();
      this.#worker = this.#start();
      this.#onRulesLost();
    };
    worker.postMessage({ id: 0, command: { op: "watch", intervalMs: watchEveryMs }, faults: "" } satisfies Request);
    return worker;
  }

  #answer(reply: Reply): void {
    if ("event" in reply) return this.#onRulesLost();
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending.reject(failureOf(reply.failure));
    else pending.resolve(reply.value);
  }

  #fail(reason: string): void {
    for (const pending of this.#pending.values()) pending.reject(new EngineError("internal", reason));
    this.#pending.clear();
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, pending] of this.#pending) {
      if (pending.dueAt > now) continue;
      this.#pending.delete(id);
      pending.reject(
        new EngineError("deadline", `the kernel did not finish a network command in ${answerWithinMs / 1000}s`),
      );
    }
  }
}
