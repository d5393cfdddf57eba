import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StatusResponseSchema } from "../spec/buildkit/control.gen.ts";

export type StatusUpdate = MessageInitShape<typeof StatusResponseSchema>;

/** Bytes of log text that a late reader still gets; more than that is dropped from the front. */
const keptLogBytes = 4 * 1024 * 1024;

/** What a build told of itself: for every reader from the start, then live, to the end. */
export class ProgressLog {
  #updates: StatusUpdate[] = [];
  #logBytes = 0;
  #dropped = 0;
  #ended = false;
  readonly #wakes = new Set<() => void>();

  add(update: StatusUpdate): void {
    if (this.#ended) return;
    this.#updates.push(update);
    this.#logBytes += bytesOf(update);
    while (this.#logBytes > keptLogBytes) {
      const at = this.#updates.findIndex((old) => bytesOf(old) > 0);
      const [old] = this.#updates.splice(at, 1, {}); // positions of readers stay right
      this.#logBytes -= old ? bytesOf(old) : 0;
      if (at === 0) this.#shift();
    }
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<StatusUpdate> {
    let next = 0;
    for (;;) {
      next = Math.max(next, this.#dropped);
      const update = this.#updates[next - this.#dropped];
      if (update) {
        next++;
        yield update;
      } else if (this.#ended || signal.aborted) return;
      else await this.#more(signal);
    }
  }

  #shift(): void {
    let empty = 0;
    while (empty < this.#updates.length && Object.keys(this.#updates[empty] ?? {}).length === 0) empty++;
    this.#updates.splice(0, empty);
    this.#dropped += empty;
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakes.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wakes.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }
}

const bytesOf = (update: StatusUpdate): number =>
  (update.logs ?? []).reduce((sum, log) => sum + (log.msg?.length ?? 0), 0);
