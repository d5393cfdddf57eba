import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { availableCapabilities } from "../../security/capabilities.ts";

/** Facts about this machine and this process that decide how a spec is written. */
export interface SpecHost {
  /** Go's name of the architecture: `amd64`. */
  readonly arch: string;
  /** `uname -r`. */
  readonly kernel: string;
  readonly cgroupVersion: 1 | 2;
  /** Without CAP_SYS_RESOURCE neither rlimits nor the OOM score can go beyond this process's own. */
  readonly canRaiseLimits: boolean;
  /** Own hard limits by OCI name, `RLIMIT_NOFILE`; Infinity = none. */
  readonly hardLimits: Readonly<Record<string, number>>;
  readonly oomScoreAdj: number;
  /** Read-only binds that hold for what is mounted below: mount_setattr(2), Linux >= 5.12. */
  readonly recursiveReadOnly: boolean;
  /** Sysctls that older kernels lack. */
  readonly pingGroupRange: boolean;
  readonly unprivilegedPortStart: boolean;
  readonly apparmor: boolean;
}

const goArch: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** Rows of /proc/self/limits by OCI name. */
const limitRows: Readonly<Record<string, string>> = {
  "Max cpu time": "RLIMIT_CPU",
  "Max file size": "RLIMIT_FSIZE",
  "Max data size": "RLIMIT_DATA",
  "Max stack size": "RLIMIT_STACK",
  "Max core file size": "RLIMIT_CORE",
  "Max resident set": "RLIMIT_RSS",
  "Max processes": "RLIMIT_NPROC",
  "Max open files": "RLIMIT_NOFILE",
  "Max locked memory": "RLIMIT_MEMLOCK",
  "Max address space": "RLIMIT_AS",
  "Max file locks": "RLIMIT_LOCKS",
  "Max pending signals": "RLIMIT_SIGPENDING",
  "Max msgqueue size": "RLIMIT_MSGQUEUE",
  "Max nice priority": "RLIMIT_NICE",
  "Max realtime priority": "RLIMIT_RTPRIO",
  "Max realtime timeout": "RLIMIT_RTTIME",
};

let known: SpecHost | undefined;

/** Reads them once: a handful of /proc files, no I/O on a disk. */
export function readSpecHost(): SpecHost {
  known ??= {
    arch: goArch[process.arch] ?? process.arch,
    kernel: release(),
    cgroupVersion: existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1,
    canRaiseLimits: availableCapabilities().includes("CAP_SYS_RESOURCE"),
    hardLimits: readHardLimits(readFileSync("/proc/self/limits", "utf8")),
    oomScoreAdj: Number(readFileSync("/proc/self/oom_score_adj", "utf8")),
    recursiveReadOnly: kernelAtLeast(release(), 5, 12),
    pingGroupRange: existsSync("/proc/sys/net/ipv4/ping_group_range"),
    unprivilegedPortStart: existsSync("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    apparmor: existsSync("/sys/kernel/security/apparmor"),
  };
  return known;
}

function readHardLimits(text: string): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const [, row = "", hard = ""] = /^(Max [a-z ]+?)\s{2,}\S+\s+(\S+)/.exec(line) ?? [];
    const name = limitRows[row];
    if (name) limits[name] = hard === "unlimited" ? Infinity : Number(hard);
  }
  return limits;
}

function kernelAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".", 2).map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
