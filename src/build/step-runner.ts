import type { Caller } from "../spec/caller.ts";

/**
 * Runs processes of build steps: by the runtime, monitor, networks and limits that containers have, without a
 * container that anybody sees. Made by `containers`, handed in by the daemon.
 */
export interface StepRunner {
  /**
   * Runs one process to its end. The root file system is mounted at `rootfs` of the step's folder by `mountRoot`
   * before, and unmounted after. When the signal fires the process is killed within a second. Whatever happens,
   * nothing is left: no mount, namespace, cgroup or process. Throws what a container's start would.
   */
  run(step: Step, options: StepOptions): Promise<StepExit>;
}

export interface Step {
  /** 64 hex digits, new for each run. */
  readonly id: string;
  /** Entrypoint and command. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** `name`, `uid`, `name:group`, as USER has it. Empty = root. */
  readonly user: string;
  readonly hostname: string;
  readonly mounts: readonly StepMount[];
  /** A network by name; `none`, `host`, `default`. */
  readonly network: string;
  /** More than the usual rights: `RUN --security=insecure`. */
  readonly insecure: boolean;
  /** `host:ip` */
  readonly extraHosts: readonly string[];
  readonly limits: StepLimits;
}

export type StepMount =
  | { readonly type: "bind"; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes: number };

/** Zero or empty = not limited, or the engine's default. */
export interface StepLimits {
  readonly memoryBytes: number;
  /** Memory and swap together; -1 = no limit on swap. */
  readonly memorySwapBytes: number;
  readonly cpuShares: number;
  readonly cpuPeriodUs: number;
  readonly cpuQuotaUs: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  readonly shmSizeBytes: number;
  readonly cgroupParent: string;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
}

export const noLimits: StepLimits = {
  memoryBytes: 0,
  memorySwapBytes: 0,
  cpuShares: 0,
  cpuPeriodUs: 0,
  cpuQuotaUs: 0,
  cpusetCpus: "",
  cpusetMems: "",
  shmSizeBytes: 0,
  cgroupParent: "",
  ulimits: [],
};

export interface StepOptions {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Mounts the step's file system at the folder, which exists. */
  mountRoot(target: string): Promise<void>;
  unmountRoot(target: string): Promise<void>;
  /** Awaited: a slow reader slows the process down, nothing is kept. */
  output(stream: "stdout" | "stderr", bytes: Uint8Array): void | Promise<void>;
}

export interface StepExit {
  /** 0-255; 128+n for a signal n. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
}
