import type { Caller } from "../auth/caller.ts";

/** Something that a client did to a repository, or was refused. */
export interface Happening {
  readonly action: "push" | "pull" | "mount" | "delete" | "refused" | "admin";
  readonly caller: Caller;
  readonly repository?: string;
  readonly target?: HappeningTarget;
  /** Of a mount. */
  readonly fromRepository?: string;
  /** What an administrator did, or why a request was refused. */
  readonly note?: string;
}

export interface HappeningTarget {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly tag?: string;
}
