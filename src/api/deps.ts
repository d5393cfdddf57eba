import type { Socket } from "node:net";
import type { Builder } from "../build/build.ts";
import type { Containers } from "../containers/containers.ts";
import type { Registries } from "../distribution/registries.ts";
import type { EventLog } from "../events/log.ts";
import type { Images } from "../images/images.ts";
import type { Networks } from "../networks/network.ts";
import type { Volumes } from "../volumes/volume.ts";
import type { Caller } from "../spec/caller.ts";
import type { PeerCredentials } from "./http/listen.ts";
import type { SystemInfo } from "./system-info.ts";

/** What routes work with; made by daemon/assemble.ts. */
export interface ApiDeps {
  readonly containers: Containers;
  readonly builder: Builder;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly registries: Registries;
  readonly events: EventLog;
  readonly system: SystemInfo;
  /** BuildKit's interface, loaded when the first client speaks it. */
  readonly buildkit: () => Promise<BuildkitFace>;
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

/** What speaks gRPC on connections that the API hands over. Sockets are paused and may hold bytes that came early. */
export interface BuildkitFace {
  /** The client calls services of this daemon. */
  serve(socket: Socket, caller: Caller): void;
  /** The daemon calls services of the client. Throws `conflict` for an id that is open, before `take` is called. */
  addSession(
    session: { id: string; name: string; sharedKey: string; methods: readonly string[]; caller: Caller },
    take: () => Socket,
  ): void;
}
