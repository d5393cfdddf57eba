import { EngineError, type ErrorKind } from "../../base/errors.ts";
import type { Applied, ApplyLimits } from "./apply.ts";
import { newRing, type RingMemory, RingWriter } from "./ring.ts";

export interface ApplyRequest {
  readonly ring: RingMemory;
  /** Folder to unpack into; made when missing. */
  readonly target: string;
  /** File for the records from which the tar can be made again. */
  readonly split?: string;
  readonly whiteouts: "overlay" | "none" | "literal";
  /** Folder below the target that everything goes to, `usr/src`; its links are the target's own. */
  readonly prefix?: string;
  /** Everything belongs to it, whatever the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly limits: ApplyLimits;
  /** Wait until it is all on the disk. */
  readonly sync?: boolean;
}

export interface AppliedLayer extends Applied {
  /** Bytes of the plain tar and their digest. */
  readonly tarBytes: number;
  readonly diffId: string;
}

export type ApplyReply = ({ ok: true } & AppliedLayer) | { ok: false; kind: ErrorKind; message: string };

const idleMs = 3000; // a Worker costs about 3 MB: a load of several layers uses it again, an idle engine has none

/** Worker threads that unpack archives. At most `maxWorkers` at once; others wait. */
export class Appliers {
  readonly #maxWorkers: number;
  readonly #idle: { worker: Worker; timer: Timer }[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(options: { maxWorkers: number }) {
    this.#maxWorkers = options.maxWorkers;
  }

  /**
   * Unpacks a plain tar. Throws `invalid` for an archive that is broken or hostile; the target then holds a part
   * that the caller removes. The stream is read to its end, or left where the failure was.
   */
  async apply(
    tar: AsyncIterable<Uint8Array>,
    request: Omit<ApplyRequest, "ring"> & { signal?: AbortSignal },
  ): Promise<AppliedLayer> {
    const { signal, ...rest } = request;
    signal?.throwIfAborted();
    const worker = await this.#take();
    const ring = newRing();
    const writer = new RingWriter(ring);
    const reply = ask(worker, { ...rest, ring });
    const stop = (): void => writer.abort();
    signal?.addEventListener("abort", stop, { once: true });
    void reply.then(
      () => writer.stop(),
      () => writer.stop(),
    );
    try {
      let sourceError: Error | undefined;
      try {
        for await (const chunk of tar) {
          await writer.write(chunk);
          if (writer.stopped) break;
        }
        if (!writer.stopped) writer.end();
      } catch (error) {
        sourceError = error instanceof Error ? error : new Error(String(error));
        writer.abort();
      }
      const answer = await reply;
      this.#give(worker);
      if (signal?.aborted) throw new EngineError("cancelled", "unpacking was cancelled");
      if (sourceError !== undefined) throw sourceError;
      if (!answer.ok) throw new EngineError(answer.kind, answer.message);
      return answer;
    } catch (error) {
      if (broken.has(worker)) this.#drop(worker);
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
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
    while (this.#busy >= this.#maxWorkers) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy++;
    const idle = this.#idle.pop();
    if (idle) {
      clearTimeout(idle.timer);
      return idle.worker;
    }
    const worker = new Worker(new URL("./apply-worker.ts", import.meta.url).href, { ref: false });
    return worker;
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

  #drop(worker: Worker): void {
    this.#busy--;
    worker.terminate();
    this.#waiting.shift()?.();
  }
}

const broken = new WeakSet<Worker>();

function ask(worker: Worker, request: ApplyRequest): Promise<ApplyReply> {
  const { promise, resolve, reject } = Promise.withResolvers<ApplyReply>();
  worker.onmessage = (event: MessageEvent<ApplyReply>) => resolve(event.data);
  worker.onerror = (event) => {
    broken.add(worker);
    reject(new EngineError("internal", `the unpacking thread failed: ${event.message}`));
  };
  worker.postMessage(request);
  return promise;
}
