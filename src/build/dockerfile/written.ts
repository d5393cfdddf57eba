import type { Heredoc } from "./heredoc.ts";

/** What the parser of one instruction gets. */
export interface Written {
  /** Upper case. */
  readonly name: string;
  readonly flags: readonly string[];
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  readonly escape: string;
}
