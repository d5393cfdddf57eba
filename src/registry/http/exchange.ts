import type { Caller, RepositoryAction } from "../auth/caller.ts";
import type { Services } from "../services.ts";

/** One request, as handlers get it: who asks is known, what for is checked by `need`. */
export interface Exchange {
  readonly request: Request;
  readonly caller: Caller;
  readonly services: Services;
  /** Everything behind the question mark. */
  readonly query: URLSearchParams;
  /** The request has come whole, and its answer may take long: the connection is not idle meanwhile. */
  patient(): void;
  /** Throws UNAUTHORIZED or DENIED unless the caller may do all of this to the repository. */
  need(repository: string, ...actions: RepositoryAction[]): void;
}

export type Handler<Kind> = (exchange: Exchange, target: Kind) => Response | Promise<Response>;
