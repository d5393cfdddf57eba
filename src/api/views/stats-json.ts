import { rfc3339 } from "../../base/clock.ts";
import type { Container } from "../../containers/container.ts";
import type { BlkioEntry, NetworkCounters, Stats } from "../../metrics/stats.ts";

/** One sample as API 1.51 has it, with the one before it where there is one. */
export function statsJson(container: Container, now: Stats, before: Stats | undefined, hostMemoryBytes: number) {
  const dead = container.state.pid === 0;
  const networks = Object.entries(now.networks);
  return {
    name: `/${container.name}`,
    id: container.id,
    read: rfc3339(dead ? 0n : now.readAtNs),
    preread: rfc3339(before?.readAtNs ?? 0n),
    pids_stats: dead ? {} : { current: now.pids.current, ...(now.pids.limit > 0 && { limit: now.pids.limit }) },
    blkio_stats: {
      io_service_bytes_recursive: dead ? null : now.blkio.serviceBytes.map(blkioJson),
      io_serviced_recursive: now.cgroupVersion === 2 || dead ? null : now.blkio.serviced.map(blkioJson),
      ...emptyBlkio(dead || now.cgroupVersion === 2),
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: dead ? noCpu : cpuJson(now),
    precpu_stats: before ? cpuJson(before) : noCpu,
    memory_stats: dead ? {} : memoryJson(now, hostMemoryBytes),
    ...(networks.length > 0 && {
      networks: Object.fromEntries(networks.map(([name, counters]) => [name, networkJson(counters)])),
    }),
  };
}

const noCpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function cpuJson({ cpu, cgroupVersion }: Stats) {
  return {
    cpu_usage: {
      total_usage: cpu.totalNs,
      ...(cgroupVersion === 1 && { percpu_usage: cpu.perCpuNs }),
      usage_in_kernelmode: cpu.kernelNs,
      usage_in_usermode: cpu.userNs,
    },
    system_cpu_usage: cpu.systemNs,
    online_cpus: cpu.onlineCpus,
    throttling_data: { periods: cpu.periods, throttled_periods: cpu.throttledPeriods, throttled_time: cpu.throttledNs },
  };
}

function memoryJson({ memory, cgroupVersion }: Stats, hostMemoryBytes: number) {
  return {
    usage: memory.usage,
    ...(cgroupVersion === 1 && { max_usage: memory.maxUsage }),
    stats: memory.stats,
    ...(memory.failures > 0 && { failcnt: memory.failures }),
    // moby parity: no limit is told as the host's memory
    limit: memory.limit <= 0 || memory.limit > hostMemoryBytes ? hostMemoryBytes : memory.limit,
  };
}

const blkioJson = (entry: BlkioEntry) => ({ major: entry.major, minor: entry.minor, op: entry.op, value: entry.value });

function emptyBlkio(absent: boolean) {
  const empty = absent ? null : [];
  return {
    io_queue_recursive: empty,
    io_service_time_recursive: empty,
    io_wait_time_recursive: empty,
    io_merged_recursive: empty,
    io_time_recursive: empty,
    sectors_recursive: empty,
  };
}

const networkJson = (counters: NetworkCounters) => ({
  rx_bytes: counters.rxBytes,
  rx_packets: counters.rxPackets,
  rx_errors: counters.rxErrors,
  rx_dropped: counters.rxDropped,
  tx_bytes: counters.txBytes,
  tx_packets: counters.txPackets,
  tx_errors: counters.txErrors,
  tx_dropped: counters.txDropped,
});
