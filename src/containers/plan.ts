import type { SandboxPlan } from "../networks/network.ts";

/**
 * One container as it shall be: the normal form of a create request, every default applied, nothing of the wire in
 * it. Made only by `create/normalize.ts`, kept as JSON in the container's row, read by everything else.
 */
export interface ContainerPlan {
  readonly process: ProcessPlan;
  readonly hostname: string;
  readonly domainname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly readOnlyRootfs: boolean;
  /** Sorted so that a parent comes before what is mounted inside it. */
  readonly mounts: readonly MountPlan[];
  /** Containers of `--volumes-from`, resolved into `mounts` at create; kept for inspect. */
  readonly namespaces: NamespacePlan;
  readonly network: Omit<SandboxPlan, "containerId" | "containerName">;
  readonly resolv: ResolvPlan;
  readonly resources: ResourcePlan;
  readonly devices: readonly DevicePlan[];
  /** Cgroup rules of `--device-cgroup-rule`, as given: `c 1:3 rwm`. */
  readonly deviceRules: readonly string[];
  /** `--gpus` and the like. No driver exists yet: a start with one fails. */
  readonly deviceRequests: readonly {
    readonly driver: string;
    readonly capabilities: readonly (readonly string[])[];
  }[];
  readonly security: SecurityPlan;
  /** Never net.* with the host's network namespace, nor IPC rows with the host's IPC namespace. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly shmSizeBytes: number;
  readonly restart: {
    readonly policy: "no" | "always" | "on-failure" | "unless-stopped";
    readonly maximumRetries: number;
  };
  readonly health: HealthPlan | null;
  readonly log: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  readonly autoRemove: boolean;
  /** Empty = the daemon's default runtime at the time of the start. */
  readonly runtime: string;
  readonly cgroupParent: string;
  readonly platform: string;
}

export interface ProcessPlan {
  /** Entrypoint and command. */
  readonly args: readonly string[];
  /** `K=V`, with PATH, HOSTNAME and (with a TTY) TERM, in Docker's order. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** As given, resolved against the rootfs at start: `name`, `uid`, `name:group`, ... Empty = root. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly consoleSize: { readonly rows: number; readonly columns: number } | null;
  /** Signal number that asks it to end. */
  readonly stopSignal: number;
  readonly stopTimeoutSeconds: number;
  /** Runs our init (`berth init`-like) as pid 1. */
  readonly init: boolean;
  readonly oomScoreAdjust: number;
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

/** A run of ids, as they are on the disk and as the container sees them. */
export interface IdRange {
  readonly disk: number;
  readonly seen: number;
  readonly count: number;
}
/** `auto`: the owner of the source is seen as the container's user. */
export type IdMapPlan = "auto" | { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] };

/** Beyond Docker: how the content of a bind or volume is shown. */
export interface MountChange {
  readonly idMap?: IdMapPlan;
  /** What is written is kept apart and thrown away when the container ends. */
  readonly overlay?: boolean;
}

export type MountPlan = {
  /** Absolute path in the container, cleaned. */
  readonly target: string;
  readonly readOnly: boolean;
  /** Docker's mode text for inspect: `z`, `ro`, ... */
  readonly mode: string;
  /** Comes from the image's VOLUME or an unnamed `-v /path`. */
  readonly anonymous: boolean;
} & (
  | ({
      readonly type: "bind";
      readonly source: string;
      readonly createSource: boolean;
      readonly recursive: boolean;
      readonly propagation: string;
      readonly readOnlyRecursive: boolean;
      /** A start fails where the kernel cannot make mounts below the source read-only too. */
      readonly readOnlyForced?: boolean;
    } & MountChange)
  | ({
      readonly type: "volume";
      readonly volume: string;
      readonly driver: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly options: Readonly<Record<string, string>>;
      readonly copy: boolean;
      readonly subpath: string;
    } & MountChange)
  /** `listed` in inspect's Mounts when it comes from `--mount`, not from `--tmpfs` (moby parity). */
  | {
      readonly type: "tmpfs";
      readonly sizeBytes: number;
      readonly tmpfsMode: number;
      readonly options: readonly string[];
      readonly listed: boolean;
    }
  | { readonly type: "image"; readonly source: string; readonly subpath: string }
);

export interface NamespacePlan {
  readonly pid: "private" | "host" | { readonly container: string };
  readonly ipc: "private" | "shareable" | "host" | "none" | { readonly container: string };
  readonly uts: "private" | "host";
  readonly cgroup: "private" | "host";
  readonly user: "host" | "default";
}

export interface ResolvPlan {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  /** `host:ip` rows for /etc/hosts; `host-gateway` already replaced. */
  readonly extraHosts: readonly string[];
  /** `--link`: id of the other container and the alias. */
  readonly links: readonly { readonly containerId: string; readonly alias: string }[];
}

/** Zero (or null, or empty) = not limited. Bytes, unless the name says otherwise. */
export interface ResourcePlan {
  readonly memory: number;
  readonly memoryReservation: number;
  /** Memory and swap together; -1 = no limit on swap. */
  readonly memorySwap: number;
  readonly memorySwappiness: number | null;
  readonly oomKillDisable: boolean;
  readonly nanoCpus: number;
  readonly cpuShares: number;
  readonly cpuPeriodUs: number;
  readonly cpuQuotaUs: number;
  readonly cpuRealtimePeriodUs: number;
  readonly cpuRealtimeRuntimeUs: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly pids: number;
  readonly blkioWeight: number;
  readonly blkioWeightDevices: readonly DeviceValue[];
  readonly readBps: readonly DeviceValue[];
  readonly writeBps: readonly DeviceValue[];
  readonly readIops: readonly DeviceValue[];
  readonly writeIops: readonly DeviceValue[];
}

export interface DeviceValue {
  readonly path: string;
  readonly value: number;
}

export interface DevicePlan {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Subset of `rwm`. */
  readonly access: string;
}

export interface SecurityPlan {
  readonly privileged: boolean;
  /** Final capability set, `CAP_...` names: default + added - dropped, or all when privileged. */
  readonly capabilities: readonly string[];
  readonly seccomp:
    | { readonly kind: "default" }
    | { readonly kind: "unconfined" }
    | { readonly kind: "profile"; readonly profile: string };
  readonly noNewPrivileges: boolean;
  /** Empty where the host has no AppArmor or nothing was asked. */
  readonly apparmorProfile: string;
  /** `--security-opt writable-cgroups`; privileged containers have it. */
  readonly writableCgroups: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** The `--security-opt` rows as given, for inspect. */
  readonly options: readonly string[];
}

/** Durations in nanoseconds; a probe that inherits from the image has been merged. */
export interface HealthPlan {
  /** `CMD` or `CMD-SHELL` first. Never `NONE`: that is `health: null`. */
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
  /** Beyond Docker: what happens when the container turns unhealthy. */
  readonly onFailure: "none" | "kill" | "restart" | "stop";
}
