import type { Socket } from "node:net";
import { Arrivals } from "../../base/arrivals.ts";
import { EngineError } from "../../base/errors.ts";
import { Session, type SessionHead } from "./session.ts";

/** buildx asks to solve before its session is there: so long it may take. */
const arrivalMs = 5000;

/** The sessions that are open, by id. */
export class Sessions {
  readonly #sessions = new Arrivals<Session>();

  /** Opens a session over the connection that `take` gives. Throws `conflict` before, when its id is taken. */
  open(head: SessionHead, take: () => Socket): void {
    const { id } = head;
    if (this.#sessions.has(id)) throw new EngineError("conflict", `session ${id} is open already`, { id });
    const session = new Session(take(), head);
    this.#sessions.add(id, session);
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
