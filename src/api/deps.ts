import type { Containers } from "../containers/containers.ts";
import type { EventLog } from "../events/log.ts";
import type { Images } from "../images/images.ts";
import type { Networks } from "../networks/network.ts";
import type { Volumes } from "../volumes/volume.ts";
import type { SystemInfo } from "./system-info.ts";

/** What routes work with; made by daemon/assemble.ts. */
export interface ApiDeps {
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly events: EventLog;
  readonly system: SystemInfo;
}
