/** One sample of a container's use, from its cgroup (v1, hybrid or v2) and its network namespace. */
export interface Stats {
  readonly readAtNs: bigint;
  readonly cgroupVersion: 1 | 2;
  /** Nanoseconds. */
  readonly cpu: {
    readonly totalNs: number;
    readonly kernelNs: number;
    readonly userNs: number;
    /** v1 only. */
    readonly perCpuNs: readonly number[];
    readonly systemNs: number;
    readonly onlineCpus: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledNs: number;
  };
  /** Bytes. */
  readonly memory: {
    readonly usage: number;
    readonly maxUsage: number;
    readonly limit: number;
    readonly failures: number;
    readonly stats: Readonly<Record<string, number>>;
  };
  readonly blkio: {
    readonly serviceBytes: readonly BlkioEntry[];
    readonly serviced: readonly BlkioEntry[];
  };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly networks: Readonly<Record<string, NetworkCounters>>;
}

export interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
}

export interface NetworkCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}
