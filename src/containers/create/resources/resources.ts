import { EngineError } from "../../../base/errors.ts";
import type { HostConfig, Resources, ThrottleDevice } from "../../../spec/engine/types.gen.ts";
import type { DeviceValue, ResourcePlan } from "../../plan.ts";
import { parseCpuset } from "./cpuset.ts";
import type { CreateHost } from "../defaults.ts";

const minimumMemoryBytes = 6 * 1024 * 1024; // moby: less than that and no container gets through its own start

const invalid = (text: string): never => {
  throw new EngineError("invalid", text);
};
const noKernel = (what: string): string => `Your kernel does not support ${what} or the cgroup is not mounted.`;

/**
 * Checks resources against this host as Docker does: throws its texts for what is impossible, and gives the resources
 * without what this kernel cannot do, with a warning for each.
 */
export function checkResources<T extends Resources>(
  wanted: T,
  host: CreateHost,
  options: { update: boolean },
): { resources: T; warnings: string[] } {
  const resources = { ...wanted };
  for (const [name, value] of Object.entries(resources)) {
    if (typeof value === "number" && !Number.isSafeInteger(value))
      invalid(`invalid value for ${name}: ${value} is not a whole number`);
  }
  const warnings = [
    ...checkMemory(resources, host, options.update),
    ...checkProcesses(resources, host),
    ...checkCpu(resources, host),
    ...checkCpuset(resources, host),
    ...checkBlkio(resources, host),
  ];
  return { resources, warnings };
}

function checkMemory(r: Resources, { cgroup }: CreateHost, update: boolean): string[] {
  const warnings: string[] = [];
  if (r.MemorySwappiness === -1) r.MemorySwappiness = null; // older clients' way to say "default"
  if (r.Memory && r.Memory < minimumMemoryBytes) invalid("Minimum memory limit allowed is 6MB");
  if (r.Memory && !cgroup.memory) {
    warnings.push(`${noKernel("memory limit capabilities")} Limitation discarded.`);
    r.Memory = 0;
    r.MemorySwap = -1;
  }
  if (r.Memory && r.MemorySwap !== -1 && !cgroup.swap) {
    warnings.push(`${noKernel("swap limit capabilities")} Memory limited without swap.`);
    r.MemorySwap = -1;
  }
  const swap = r.MemorySwap ?? 0;
  if (swap < -1) invalid(`invalid memory swap limit: ${swap}`);
  if (r.Memory && swap > 0 && swap < r.Memory)
    invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (!r.Memory && swap > 0 && !update)
    invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (typeof r.MemorySwappiness === "number" && !cgroup.swappiness) {
    warnings.push(`${noKernel("memory swappiness capabilities")} Memory swappiness discarded.`);
    r.MemorySwappiness = null;
  }
  const swappiness = r.MemorySwappiness ?? 0;
  if (swappiness < 0 || swappiness > 100)
    invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if (r.MemoryReservation && r.MemoryReservation > 0 && !cgroup.memoryReservation) {
    warnings.push(`${noKernel("memory soft limit capabilities")} Limitation discarded.`);
    r.MemoryReservation = 0;
  }
  const reservation = r.MemoryReservation ?? 0;
  if (reservation < 0) invalid(`invalid memory reservation: ${reservation}`);
  if (reservation > 0 && reservation < minimumMemoryBytes) invalid("Minimum memory reservation allowed is 6MB");
  if (r.Memory && reservation > r.Memory)
    invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  return warnings;
}

function checkProcesses(r: Resources, { cgroup }: CreateHost): string[] {
  const warnings: string[] = [];
  if (!cgroup.oomKillDisable) {
    if (r.OomKillDisable) warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    r.OomKillDisable = null;
  }
  if (r.OomKillDisable && !r.Memory) {
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  }
  if (r.PidsLimit && r.PidsLimit > 0 && !cgroup.pids) {
    warnings.push(`${noKernel("PIDs limit capabilities")} PIDs limit discarded.`);
    r.PidsLimit = null;
  }
  return warnings;
}

function checkCpu(r: Resources, { cgroup, cpus }: CreateHost): string[] {
  const warnings: string[] = [];
  const nano = r.NanoCpus ?? 0;
  if (nano > 0 && (r.CpuPeriod ?? 0) > 0) invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (nano > 0 && (r.CpuQuota ?? 0) > 0) invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nano > 0 && !cgroup.cpuCfs)
    invalid("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted");
  if (nano < 0 || nano > cpus * 1e9)
    invalid(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  if ((r.CpuShares ?? 0) < 0) invalid(`invalid CPU shares (${r.CpuShares}): value must be a positive integer`);
  if (r.CpuShares && !cgroup.cpuShares) {
    warnings.push(`${noKernel("CPU shares")} Shares discarded.`);
    r.CpuShares = 0;
  }
  if ((r.CpuPeriod || r.CpuQuota) && !cgroup.cpuCfs) {
    warnings.push("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    r.CpuPeriod = 0;
    r.CpuQuota = 0;
  }
  const period = r.CpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if ((r.CpuQuota ?? 0) > 0 && (r.CpuQuota ?? 0) < 1000) invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if ((r.CpuRealtimePeriod || r.CpuRealtimeRuntime) && !cgroup.cpuRealtime)
    invalid("kernel does not support CPU real-time scheduler");
  if (r.CpuRealtimePeriod && r.CpuRealtimeRuntime && r.CpuRealtimeRuntime > r.CpuRealtimePeriod) {
    invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  }
  if (r.CpuPercent) {
    warnings.push("linux does not support CPU percent. Percent discarded.");
    r.CpuPercent = 0;
  }
  return warnings;
}

function checkCpuset(r: Resources, host: CreateHost): string[] {
  const warnings: string[] = [];
  if ((r.CpusetCpus || r.CpusetMems) && !host.cgroup.cpuset) {
    warnings.push(`${noKernel("cpuset")} Cpuset discarded.`);
    r.CpusetCpus = "";
    r.CpusetMems = "";
  }
  const check = (wanted: string, available: string, what: string, short: string): void => {
    const set = parseCpuset(wanted);
    const there = parseCpuset(available);
    if (!set) return invalid(`Invalid value ${wanted} for cpuset ${short}`);
    if ([...set].every((item) => there?.has(item))) return;
    invalid(`Requested ${what} are not available - requested ${wanted}, available: ${available}`);
  };
  check(r.CpusetCpus ?? "", host.cpusetCpus, "CPUs", "cpus");
  check(r.CpusetMems ?? "", host.cpusetMems, "memory nodes", "mems");
  return warnings;
}

const throttles = [
  ["BlkioDeviceReadBps", "BPS Block I/O read limit", "Block I/O BPS read limit"],
  ["BlkioDeviceWriteBps", "BPS Block I/O write limit", "Block I/O BPS write limit"],
  ["BlkioDeviceReadIOps", "IOPS Block read limit", "Block I/O IOPS read limit"],
  ["BlkioDeviceWriteIOps", "IOPS Block write limit", "Block I/O IOPS write limit"],
] as const;

function checkBlkio(r: Resources, { cgroup }: CreateHost): string[] {
  const warnings: string[] = [];
  if (r.BlkioWeight && !cgroup.blkioWeight) {
    warnings.push(`${noKernel("Block I/O weight")} Weight discarded.`);
    r.BlkioWeight = 0;
  }
  if (r.BlkioWeight && (r.BlkioWeight < 10 || r.BlkioWeight > 1000))
    invalid("Range of blkio weight is from 10 to 1000");
  if (r.IOMaximumBandwidth || r.IOMaximumIOps)
    invalid("Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps");
  if (r.BlkioWeightDevice?.length && !cgroup.blkioWeightDevice) {
    warnings.push(`${noKernel("Block I/O weight_device")} Weight-device discarded.`);
    r.BlkioWeightDevice = [];
  }
  for (const [field, what, discarded] of throttles) {
    if (!r[field]?.length || cgroup.blkioThrottle) continue;
    warnings.push(`${noKernel(what)} ${discarded} discarded.`);
    r[field] = [];
  }
  return warnings;
}

/** The resources of a plan, from checked ones. */
export function planResources(host: HostConfig): ResourcePlan {
  return {
    memory: host.Memory ?? 0,
    memoryReservation: host.MemoryReservation ?? 0,
    memorySwap: host.MemorySwap ?? 0,
    memorySwappiness: host.MemorySwappiness ?? null,
    oomKillDisable: host.OomKillDisable === true,
    nanoCpus: host.NanoCpus ?? 0,
    cpuShares: host.CpuShares ?? 0,
    cpuPeriodUs: host.CpuPeriod ?? 0,
    cpuQuotaUs: host.CpuQuota ?? 0,
    cpuRealtimePeriodUs: host.CpuRealtimePeriod ?? 0,
    cpuRealtimeRuntimeUs: host.CpuRealtimeRuntime ?? 0,
    cpusetCpus: host.CpusetCpus ?? "",
    cpusetMems: host.CpusetMems ?? "",
    pids: Math.max(host.PidsLimit ?? 0, 0),
    blkioWeight: host.BlkioWeight ?? 0,
    blkioWeightDevices: (host.BlkioWeightDevice ?? []).map(({ Path, Weight }) => ({
      path: Path ?? "",
      value: Weight ?? 0,
    })),
    readBps: rates(host.BlkioDeviceReadBps),
    writeBps: rates(host.BlkioDeviceWriteBps),
    readIops: rates(host.BlkioDeviceReadIOps),
    writeIops: rates(host.BlkioDeviceWriteIOps),
  };
}

const rates = (devices: readonly ThrottleDevice[] | null | undefined): DeviceValue[] =>
  (devices ?? []).map(({ Path, Rate }) => ({ path: Path ?? "", value: Rate ?? 0 }));
