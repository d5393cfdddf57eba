import type { Access } from "./auth/access.ts";
import type { TokenDesk } from "./auth/token-endpoint.ts";
import type { Users } from "./auth/users.ts";
import type { PullThrough } from "./cache/pull-through.ts";
import type { Core } from "./core.ts";
import type { Webhooks } from "./events/webhooks.ts";
import type { Collector } from "./gc/collector.ts";
import type { ManifestRules } from "./manifests/put.ts";
import type { Metrics } from "./metrics.ts";
import type { Immutability } from "./policy/immutability.ts";
import type { LastPulls } from "./policy/last-pulls.ts";
import type { Quotas } from "./policy/quotas.ts";
import type { Uploads } from "./uploads/uploads.ts";

/** What the handlers of requests use; `open.ts` makes it. */
export interface Services {
  readonly core: Core;
  readonly uploads: Uploads;
  readonly manifestRules: ManifestRules;
  readonly access: Access;
  readonly users: Users;
  readonly tokens: TokenDesk;
  readonly metrics: Metrics;
  /** Throws DENIED where a repository may not have these bytes more. Without a digest they are not known yet. */
  readonly admit: (repository: string, digest: string | undefined, bytes: number) => void;
  readonly graceMs: number;
  readonly collector: Collector;
  /** undefined where no repository is that of another registry. */
  readonly cache: PullThrough | undefined;
  readonly quotas: Quotas;
  readonly immutability: Immutability;
  readonly lastPulls: LastPulls;
  readonly webhooks: Webhooks;
}
