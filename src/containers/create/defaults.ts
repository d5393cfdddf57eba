import type { Image } from "../../images/image.ts";
import type { Container } from "../container.ts";

/** What a create request does not say is taken from here. Gathered by the daemon from its configuration and the host. */
export interface CreateDefaults {
  /** Names that `--runtime` may give. */
  readonly runtimes: readonly string[];
  /** Shown by inspect when the request names none. */
  readonly defaultRuntime: string;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  /** Throws EngineError invalid for an unknown driver or option. */
  readonly validateLog?: (driver: string, options: Readonly<Record<string, string>>) => void;
  readonly shmSizeBytes: number;
  readonly ipcMode: "private" | "shareable";
  readonly cgroupnsMode: "private" | "host";
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly init: boolean;
  readonly noNewPrivileges: boolean;
  /** Daemon-wide profile: empty = the built-in one, `unconfined`, or JSON. */
  readonly seccompProfile: string;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** What `host-gateway` in `--add-host` means; empty = cannot be used. */
  readonly hostGatewayIps: readonly string[];
  readonly cgroupParent: string;
  readonly stopTimeoutSeconds: number;
  /** Binds of a parent of it get rslave propagation, or mounts of the engine would be pinned. */
  readonly dataRoot: string;
  readonly host: CreateHost;
}

/** Facts about this machine that decide what can be asked for. `readCreateHost()` reads them. */
export interface CreateHost {
  readonly hostname: string;
  /** `linux/amd64`. */
  readonly platform: string;
  readonly cpus: number;
  /** Lists as the kernel writes them: `0-3,8`. */
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly cgroupVersion: 1 | 2;
  readonly cgroup: CgroupAbilities;
  readonly ipv4Forwarding: boolean;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  readonly cgroupNamespaces: boolean;
}

/** What the mounted cgroup controllers of this kernel can do. */
export interface CgroupAbilities {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly blkioThrottle: boolean;
}

/** What one create request is read against. */
export interface CreateContext {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  /** null when the request names no image. */
  readonly image: Image | null;
  /** The `platform` parameter of the request; empty = any. */
  readonly platform: string;
  readonly defaults: CreateDefaults;
  /** Finds another container for `container:` modes, links and volumes-from. Throws not-found. */
  readonly containers: (ref: string) => Container;
}
