/** Who asks. Made once per request, passed down to all that acts or writes down who did. */
export interface Caller {
  readonly kind: "anonymous" | "user" | "robot" | "local";
  /** Empty for anonymous callers. */
  readonly name: string;
  readonly address: string;
  readonly requestId: string;
  readonly userAgent: string;
  readonly method: string;
  readonly host: string;
  /** May use the administration API, and everything else. */
  readonly admin: boolean;
  may(action: RepositoryAction, repository: string): boolean;
  /** May list repositories; those it may pull are told. */
  readonly mayList: boolean;
}

export type RepositoryAction = "pull" | "push" | "delete";
export const repositoryActions: readonly RepositoryAction[] = ["pull", "push", "delete"];
