import { join } from "node:path";
import { nowNs } from "../base/clock.ts";
import { blkioLines, cgroupFile, ioStatLines, namedNumbers, oneNumber } from "./cgroup-files.ts";
import { type CgroupRoots, cgroupRoots } from "./cgroup-roots.ts";
import { hostCpu, hostMemoryBytes, nsPerTick } from "./host.ts";
import { networkCounters } from "./network-counters.ts";
import type { Stats } from "./stats.ts";

export interface StatsTarget {
  /** The container's cgroup as its specification has it: absolute in each tree. */
  readonly cgroup: string;
  /** Its init on the host; 0 = none, then there are no network counters. */
  readonly pid: number;
}

/** One sample. Zeros for what is not there, so a container that ends meanwhile is no error. */
export async function readStats({ cgroup, pid }: StatsTarget, roots: CgroupRoots = cgroupRoots()): Promise<Stats> {
  const [host, networks, usage] = await Promise.all([
    hostCpu(),
    networkCounters(pid),
    roots.version === 1 ? readV1(cgroup, roots) : readV2(join(roots.unified, cgroup)),
  ]);
  return { readAtNs: nowNs(), cgroupVersion: roots.version, ...usage, cpu: { ...usage.cpu, ...host }, networks };
}

/** What a cgroup tells; the host's cpu time and the network are read elsewhere. */
type Usage = Pick<Stats, "memory" | "blkio" | "pids"> & { readonly cpu: Omit<Stats["cpu"], "systemNs" | "onlineCpus"> };

// Documentation/admin-guide/cgroup-v1
async function readV1(cgroup: string, roots: CgroupRoots): Promise<Usage> {
  const folder = (controller: string): string | undefined => {
    const root = roots.controller(controller);
    return root === undefined ? undefined : join(root, cgroup);
  };
  const [cpuacct, memory, blkio, pids] = [folder("cpuacct"), folder("memory"), folder("blkio"), folder("pids")];
  const [total, perCpu, ticks, throttle, used, most, limit, failures, memoryStat, bytes, operations, current, pidsMax] =
    await Promise.all([
      cgroupFile(cpuacct, "cpuacct.usage"),
      cgroupFile(cpuacct, "cpuacct.usage_percpu"),
      cgroupFile(cpuacct, "cpuacct.stat"),
      cgroupFile(folder("cpu"), "cpu.stat"),
      cgroupFile(memory, "memory.usage_in_bytes"),
      cgroupFile(memory, "memory.max_usage_in_bytes"),
      cgroupFile(memory, "memory.limit_in_bytes"),
      cgroupFile(memory, "memory.failcnt"),
      cgroupFile(memory, "memory.stat"),
      cgroupFile(blkio, "blkio.throttle.io_service_bytes_recursive"),
      cgroupFile(blkio, "blkio.throttle.io_serviced_recursive"),
      cgroupFile(pids, "pids.current"),
      cgroupFile(pids, "pids.max"),
    ]);
  const { user = 0, system = 0 } = namedNumbers(ticks);
  const {
    nr_periods: periods = 0,
    nr_throttled: throttledPeriods = 0,
    throttled_time: throttledNs = 0,
  } = namedNumbers(throttle);
  return {
    cpu: {
      totalNs: oneNumber(total),
      kernelNs: system * nsPerTick,
      userNs: user * nsPerTick,
      perCpuNs: perCpu.split(/\s+/).filter(Boolean).map(Number),
      periods,
      throttledPeriods,
      throttledNs,
    },
    memory: {
      usage: oneNumber(used),
      maxUsage: oneNumber(most),
      limit: hostLimit(limit),
      failures: oneNumber(failures),
      stats: namedNumbers(memoryStat),
    },
    blkio: { serviceBytes: blkioLines(bytes), serviced: blkioLines(operations) },
    pids: { current: oneNumber(current), limit: oneNumber(pidsMax) },
  };
}

// Documentation/admin-guide/cgroup-v2.rst
async function readV2(folder: string): Promise<Usage> {
  const [cpu, used, most, limit, events, memoryStat, io, current, pidsMax] = await Promise.all([
    cgroupFile(folder, "cpu.stat"),
    cgroupFile(folder, "memory.current"),
    cgroupFile(folder, "memory.peak"), // Linux >= 5.19
    cgroupFile(folder, "memory.max"),
    cgroupFile(folder, "memory.events"),
    cgroupFile(folder, "memory.stat"),
    cgroupFile(folder, "io.stat"),
    cgroupFile(folder, "pids.current"),
    cgroupFile(folder, "pids.max"),
  ]);
  const {
    usage_usec: total = 0,
    system_usec: kernel = 0,
    user_usec: user = 0,
    nr_periods: periods = 0,
    nr_throttled: throttledPeriods = 0,
    throttled_usec: throttled = 0,
  } = namedNumbers(cpu);
  return {
    cpu: {
      totalNs: total * 1000,
      kernelNs: kernel * 1000,
      userNs: user * 1000,
      perCpuNs: [],
      periods,
      throttledPeriods,
      throttledNs: throttled * 1000,
    },
    memory: {
      usage: oneNumber(used),
      maxUsage: oneNumber(most),
      limit: hostLimit(limit),
      failures: namedNumbers(events)["max"] ?? 0,
      stats: namedNumbers(memoryStat),
    },
    blkio: {
      serviceBytes: ioStatLines(io, { rbytes: "read", wbytes: "write" }),
      serviced: ioStatLines(io, { rios: "read", wios: "write" }),
    },
    pids: { current: oneNumber(current), limit: oneNumber(pidsMax) },
  };
}

/** moby parity: no limit is the host's memory; a container that is gone has none at all. */
function hostLimit(text: string): number {
  if (text === "") return 0;
  return Math.min(oneNumber(text) || hostMemoryBytes, hostMemoryBytes);
}
