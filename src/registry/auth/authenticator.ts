import type { Caller, RepositoryAction } from "./caller.ts";

/** Finds out who asks, and says how to prove it. */
export interface Authenticator {
  /** Throws UNAUTHORIZED for credentials that are wrong, TOOMANYREQUESTS after too many of them. */
  identify(request: Request, address: string): Caller | Promise<Caller>;
  /** What a caller is told who may not do something: UNAUTHORIZED with a challenge, or DENIED where that is final. */
  refuse(request: Request, caller: Caller, wanted: readonly WantedAccess[]): Error;
  /** There is somebody to log in as, so that clients are asked to at the first request. */
  readonly asksToLogIn: boolean;
}

export interface WantedAccess {
  readonly repository: string;
  readonly actions: readonly RepositoryAction[];
}
