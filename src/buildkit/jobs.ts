import { Arrivals } from "../base/arrivals.ts";
import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import { ProgressLog } from "./progress-log.ts";

/** Calls of one build come over several streams, in any order: so long the first ones wait for the build itself. */
const arrivalMs = 5000;
/** How long a build that ended still answers those who ask for its progress. */
const keepMs = 30_000;

interface JobOptions {
  readonly id: string;
  readonly sessionId: string;
  readonly caller: Caller;
  readonly entitlements: ReadonlySet<string>;
}

/** One Control.Solve and all calls that belong to it. */
export class Job<Ref> {
  readonly id: string;
  readonly sessionId: string;
  readonly caller: Caller;
  /** What the client may ask of steps: `network.host`, `security.insecure`. */
  readonly entitlements: ReadonlySet<string>;
  readonly progress = new ProgressLog();
  /** What single solves gave, by the names they were given. */
  readonly refs = new Map<string, Ref>();
  readonly #abort = new AbortController();
  readonly #returned = Promise.withResolvers<Ref | undefined>();
  #refCount = 0;

  constructor(options: JobOptions) {
    this.id = options.id;
    this.sessionId = options.sessionId;
    this.caller = options.caller;
    this.entitlements = options.entitlements;
    this.#returned.promise.catch(() => {}); // looked at by who waits for it
  }

  /** Fires when the build is over, or its client is gone. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  addRef(ref: Ref): string {
    const id = `${this.id}-${++this.#refCount}`;
    this.refs.set(id, ref);
    return id;
  }

  /** What the client's frontend made of it. */
  get returned(): Promise<Ref | undefined> {
    return this.#returned.promise;
  }

  giveBack(result: Ref | undefined): void {
    this.#returned.resolve(result);
  }

  fail(error: unknown): void {
    this.#returned.reject(error instanceof Error ? error : new Error(String(error)));
  }

  end(): void {
    this.fail(new EngineError("cancelled", "the build is over"));
    this.progress.end();
    this.#abort.abort(new EngineError("cancelled", "the build is over"));
  }
}

/** Builds by the reference that their client gave them. */
export class Jobs<Ref> {
  readonly #jobs = new Arrivals<Job<Ref>>();

  /** The build is over when this is disposed. */
  start(options: JobOptions): { job: Job<Ref> } & Disposable {
    if (options.id === "") throw new EngineError("invalid", "a build without a reference");
    const job = new Job<Ref>(options);
    if (!this.#jobs.add(job.id, job)) throw new EngineError("conflict", `job ID ${options.id} exists already`);
    return {
      job,
      [Symbol.dispose]: () => {
        job.end();
        setTimeout(() => this.#jobs.delete(job.id), keepMs).unref();
      },
    };
  }

  /** The build, now or when it arrives. `not-found` when it does not come in time. */
  get(id: string, signal: AbortSignal): Promise<Job<Ref>> {
    return this.#jobs.get(id, {
      signal,
      timeoutMs: arrivalMs,
      missing: () => new EngineError("not-found", `no such job ${id}`, { id }), // BuildKit's text
    });
  }
}
