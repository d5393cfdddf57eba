import type { Database } from "bun:sqlite";

const flushEveryMs = 30_000;
const maxWaiting = 5000;

/** When tags were last pulled, written now and then: a pull must not wait for the disk. */
export class LastPulls implements Disposable {
  readonly #db: Database;
  readonly #waiting = new Map<string, { repository: string; tag: string; atMs: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(db: Database) {
    this.#db = db;
    this.#timer = setInterval(() => this.flush(), flushEveryMs);
    this.#timer.unref();
  }

  note(repository: string, tag: string): void {
    this.#waiting.set(`${repository}:${tag}`, { repository, tag, atMs: Date.now() });
    if (this.#waiting.size >= maxWaiting) this.flush();
  }

  flush(): void {
    if (this.#waiting.size === 0) return;
    const pulls = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#db
      .transaction(() => {
        const update = this.#db.query(
          "UPDATE tags SET pulled_at = ? WHERE name = ? AND repository = (SELECT id FROM repositories WHERE name = ?)",
        );
        for (const { repository, tag, atMs } of pulls) update.run(atMs, tag, repository);
      })
      .immediate();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.flush();
  }
}
