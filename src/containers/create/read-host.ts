import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import type { CgroupAbilities, CreateHost } from "./defaults.ts";

const v1Root = "/sys/fs/cgroup";

/** Reads what this machine can do. Some small files of /proc and /sys; call it at the start of the daemon. */
export function readCreateHost(): CreateHost {
  const cgroupVersion = existsSync(`${v1Root}/cgroup.controllers`) ? 2 : 1;
  const status = read("/proc/self/status");
  return {
    hostname: hostname(),
    platform: `linux/${{ x64: "amd64", ia32: "386", ppc64: "ppc64le" }[process.arch as string] ?? process.arch}`,
    cpus: availableParallelism(),
    cpusetCpus:
      read(cgroupVersion === 2 ? `${v1Root}/cpuset.cpus.effective` : `${v1Root}/cpuset/cpuset.cpus`) ||
      read("/sys/devices/system/cpu/online"),
    cpusetMems:
      read(cgroupVersion === 2 ? `${v1Root}/cpuset.mems.effective` : `${v1Root}/cpuset/cpuset.mems`) ||
      read("/sys/devices/system/node/online") ||
      "0",
    cgroupVersion,
    cgroup: cgroupVersion === 2 ? v2Abilities() : v1Abilities(),
    // read when asked: the first network switches it on
    get ipv4Forwarding() {
      return read("/proc/sys/net/ipv4/ip_forward") !== "0";
    },
    seccomp: /^Seccomp:/m.test(status),
    apparmor: read("/sys/module/apparmor/parameters/enabled") === "Y",
    selinux: existsSync("/sys/fs/selinux/enforce"),
    cgroupNamespaces: existsSync("/proc/self/ns/cgroup"),
  };
}

/** A file that exists in the controller's folder is a thing the kernel can do. */
function v1Abilities(): CgroupAbilities {
  const has = (...files: string[]): boolean => files.some((file) => existsSync(`${v1Root}/${file}`));
  return {
    memory: has("memory/memory.limit_in_bytes"),
    swap: has("memory/memory.memsw.limit_in_bytes"),
    memoryReservation: has("memory/memory.soft_limit_in_bytes"),
    swappiness: has("memory/memory.swappiness"),
    oomKillDisable: has("memory/memory.oom_control"),
    // the top of the hierarchy itself has no limit file
    pids: has("pids/cgroup.procs"),
    cpuShares: has("cpu/cpu.shares"),
    cpuCfs: has("cpu/cpu.cfs_quota_us"),
    cpuRealtime: has("cpu/cpu.rt_period_us"),
    cpuset: has("cpuset/cpuset.cpus"),
    // crun 1.8 knows only the names of the old scheduler, not blkio.bfq.weight: Docker discards those as well
    blkioWeight: has("blkio/blkio.weight"),
    blkioWeightDevice: has("blkio/blkio.weight_device"),
    blkioThrottle: has("blkio/blkio.throttle.read_bps_device"),
  };
}

function v2Abilities(): CgroupAbilities {
  const controllers = new Set(read(`${v1Root}/cgroup.controllers`).split(" "));
  const [memory, cpu, io] = ["memory", "cpu", "io"].map((name) => controllers.has(name)) as [boolean, boolean, boolean];
  return {
    memory,
    // the top has no swap file: ask any group below, else the kernel has it unless swapaccount=0
    swap: memory && !/\bswapaccount=0\b/.test(read("/proc/cmdline")),
    memoryReservation: memory,
    swappiness: false,
    oomKillDisable: false,
    pids: controllers.has("pids"),
    cpuShares: cpu,
    cpuCfs: cpu,
    cpuRealtime: false,
    cpuset: controllers.has("cpuset"),
    blkioWeight: io,
    blkioWeightDevice: io,
    blkioThrottle: io,
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return ""; // absent on this kernel: the caller takes that for "no"
  }
}
