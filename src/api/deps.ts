import type { Containers } from "../containers/containers.ts";
import type { EventLog } from "../events/log.ts";
import type { Images } from "../images/images.ts";
import type { Networks } from "../networks/network.ts";
import type { Volumes } from "../volumes/volume.ts";
import type { PeerCredentials } from "./http/listen.ts";
import type { SystemInfo } from "./system-info.ts";

/** What routes work with; made by daemon/assemble.ts. */
export interface ApiDeps {
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly events: EventLog;
  readonly system: SystemInfo;
  /** Folders of a container's writable snapshot, for inspect's GraphDriver (snapshotter.paths). */
  readonly snapshotPaths: (containerId: string) => Readonly<Record<string, string>>;
  /** Facts about an accepted socket, from kernel/peer.ts: faces make no system calls of their own. */
  readonly peer: {
    /** Credentials of the process at the other end of a unix socket. */
    readonly credentials: (fd: number) => PeerCredentials;
    /** The other end is closed for reading too. */
    readonly gone: (fd: number) => boolean;
    /** Lets more connections wait at a listening socket than Bun does. */
    readonly raiseBacklog: (fd: number) => void;
  };
}
