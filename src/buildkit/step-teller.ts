import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { errorMessage } from "../base/errors.ts";
import type { ProgressLog } from "./progress-log.ts";

/** How often a count is told at most. */
const tellMs = 100;

/** Tells steps that this face does itself: reading the Dockerfile, taking contexts. */
export class StepTeller {
  readonly #progress: ProgressLog;

  constructor(progress: ProgressLog) {
    this.#progress = progress;
  }

  /** Runs `work` as a step of that name. It may count what it moves, under a name of its own. */
  async step<Value>(
    name: string,
    work: (count: (what: string, current: number) => void) => Promise<Value>,
    digest = digestOf(name),
  ): Promise<Value> {
    const started = timestampFromMs(Date.now());
    const tell = (more: { completed?: typeof started; error?: string }): void =>
      this.#progress.add({ vertexes: [{ digest, name, started, ...more }] });
    tell({});
    const counts = new Map<string, { current: number; toldMs: number }>();
    const status = (what: string, current: number, completed?: typeof started): void =>
      this.#progress.add({
        statuses: [
          {
            ID: what,
            vertex: digest,
            name: "transferring",
            current: BigInt(current),
            timestamp: timestampFromMs(Date.now()),
            started,
            ...(completed ? { completed } : {}),
          },
        ],
      });
    const count = (what: string, current: number): void => {
      const before = counts.get(what);
      const now = performance.now();
      const due = !before || now - before.toldMs > tellMs;
      if (due) status(what, current);
      counts.set(what, { current, toldMs: due ? now : (before?.toldMs ?? now) });
    };
    try {
      const value = await work(count);
      const completed = timestampFromMs(Date.now());
      for (const [what, { current }] of counts) status(what, current, completed);
      tell({ completed });
      return value;
    } catch (error) {
      tell({ completed: timestampFromMs(Date.now()), error: errorMessage(error) });
      throw error;
    }
  }
}

const digestOf = (name: string): string => `sha256:${new Bun.CryptoHasher("sha256").update(name).digest("hex")}`;
