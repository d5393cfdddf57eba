import { Arrivals } from "../base/arrivals.ts";
import { EngineError } from "../base/errors.ts";
import type { Session } from "./session.ts";

/** buildx asks to solve before its session is there: so long it may take. */
const arrivalMs = 5000;

/** The sessions that are open, by id. */
export class Sessions {
  readonly #sessions = new Arrivals<Session>();

  add(session: Session): void {
    const { id } = session.head;
    if (!this.#sessions.add(id, session)) {
      session.close();
      throw new EngineError("conflict", `session ${id} is open already`, { id });
    }
    session.closed.addEventListener("abort", () => this.#sessions.delete(id));
  }

  /** The session, now or when it arrives. `not-found` when it does not come in time. */
  get(id: string, options: { signal?: AbortSignal } = {}): Promise<Session> {
    return this.#sessions.get(id, {
      timeoutMs: arrivalMs,
      missing: () => new EngineError("not-found", `no active session for ${id}`, { id }), // BuildKit's text
      ...options,
    });
  }

  close(): void {
    for (const session of [...this.#sessions.values()]) session.close();
  }
}
