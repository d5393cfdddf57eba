/** Facts about this engine that /info, /version and the response headers show; the daemon gathers them. */
export interface SystemInfo {
  /** Stable over restarts of one data root. */
  readonly id: string;
  /** Berth's own version, `0.1.0`. */
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly dataRoot: string;
  readonly storageDriver: string;
  readonly storageStatus: readonly (readonly [string, string])[];
  readonly loggingDriver: string;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly cgroupVersion: "1" | "2";
  readonly defaultRuntime: string;
  readonly runtimes: Readonly<
    Record<string, { readonly path: string; readonly args: readonly string[]; readonly version: string }>
  >;
  readonly initPath: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly hostname: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly labels: readonly string[];
  readonly debug: boolean;
  readonly startedAtNs: bigint;
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  /** In force, without their passwords. Empty: none. */
  readonly proxies: { readonly http: string; readonly https: string; readonly no: string };
  readonly defaultAddressPools: readonly { readonly base: string; readonly size: number }[];
  readonly plugins: {
    readonly volume: readonly string[];
    readonly network: readonly string[];
    readonly log: readonly string[];
  };
  readonly capabilities: {
    readonly memoryLimit: boolean;
    readonly swapLimit: boolean;
    readonly cpuCfsPeriod: boolean;
    readonly cpuCfsQuota: boolean;
    readonly cpuShares: boolean;
    readonly cpuSet: boolean;
    readonly pidsLimit: boolean;
    readonly oomKillDisable: boolean;
    readonly ipv4Forwarding: boolean;
  };
  readonly securityOptions: readonly string[];
  readonly warnings: readonly string[];
  /** Open descriptors and the like, read when asked. */
  counters(): { readonly files: number; readonly goroutines: number; readonly eventListeners: number };
}
