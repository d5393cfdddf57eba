import type { Authenticator } from "./auth/authenticator.ts";
import type { TokenDesk } from "./auth/token-endpoint.ts";
import type { Users } from "./auth/users.ts";
import type { Core } from "./core.ts";
import type { ManifestRules } from "./manifests/put.ts";
import type { Metrics } from "./metrics.ts";
import type { Uploads } from "./uploads/uploads.ts";

/** What the handlers of requests use; `open.ts` makes it. */
export interface Services {
  readonly core: Core;
  readonly uploads: Uploads;
  readonly manifestRules: ManifestRules;
  readonly auth: Authenticator;
  readonly users: Users;
  readonly tokens: TokenDesk;
  readonly metrics: Metrics;
  /** Throws DENIED where a repository may not have these bytes more. Without a digest they are not known yet. */
  readonly admit: (repository: string, digest: string | undefined, bytes: number) => void;
  readonly graceMs: number;
}
