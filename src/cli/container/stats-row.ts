import type {
  ContainerBlkioStatEntry,
  ContainerCPUStats,
  ContainerMemoryStats,
  ContainerStatsResponse,
} from "../../spec/engine/types.gen.ts";
import type { ColumnTable } from "../render/table.ts";
import { bytesSize, humanSize, shortId } from "../render/units.ts";

/** One line of `stats`. */
export interface StatsRow {
  /** As it was asked for. */
  readonly container: string;
  readonly id: string;
  readonly name: string;
  /** Undefined as long as there is no sample. */
  readonly sample: StatsSample | undefined;
}

export interface StatsSample {
  readonly cpuPercent: number;
  readonly memoryBytes: number;
  readonly memoryLimitBytes: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly processes: number;
}

/** What docker's table shows of one answer of the API. */
export function readSample(reply: ContainerStatsResponse): StatsSample {
  const networks = Object.values(reply.networks ?? {});
  const blocks = reply.blkio_stats?.io_service_bytes_recursive ?? [];
  return {
    cpuPercent: cpuPercent(reply.precpu_stats ?? {}, reply.cpu_stats ?? {}),
    memoryBytes: usedMemory(reply.memory_stats ?? {}),
    memoryLimitBytes: reply.memory_stats?.limit ?? 0,
    receivedBytes: networks.reduce((sum, network) => sum + (network.rx_bytes ?? 0), 0),
    sentBytes: networks.reduce((sum, network) => sum + (network.tx_bytes ?? 0), 0),
    readBytes: blockBytes(blocks, "r"),
    writtenBytes: blockBytes(blocks, "w"),
    processes: reply.pids_stats?.current ?? 0,
  };
}

function cpuPercent(before: ContainerCPUStats, now: ContainerCPUStats): number {
  const used = (now.cpu_usage?.total_usage ?? 0) - (before.cpu_usage?.total_usage ?? 0);
  const system = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage?.percpu_usage?.length || 0;
  return used > 0 && system > 0 ? (used / system) * cpus * 100 : 0;
}

/** Without the page cache that can be given back: total_inactive_file of cgroup v1, inactive_file of v2. */
function usedMemory({ usage, stats }: ContainerMemoryStats): number {
  const used = usage ?? 0;
  const first = stats?.["total_inactive_file"];
  if (first !== undefined && first !== null && first < used) return used - first;
  const second = stats?.["inactive_file"] ?? 0;
  return second < used ? used - second : used;
}

const blockBytes = (entries: readonly ContainerBlkioStatEntry[], letter: string): number =>
  entries.filter(({ op }) => op?.[0]?.toLowerCase() === letter).reduce((sum, { value }) => sum + (value ?? 0), 0);

/** The columns of `stats`, docker's names. */
export function statsColumns(truncate: boolean): ColumnTable<StatsRow> {
  const pair = (one: string, other: string): string => `${one} / ${other}`;
  const show =
    (text: (sample: StatsSample) => string, none: string) =>
    ({ sample }: StatsRow) =>
      sample === undefined ? none : text(sample);
  const percent = (value: number): string => `${value.toFixed(2)}%`;
  return {
    Container: { header: "CONTAINER", value: ({ container }) => container },
    Name: { header: "NAME", value: ({ name }) => name || "--" },
    ID: { header: "CONTAINER ID", value: ({ id }) => (id === "" ? "--" : truncate ? shortId(id) : id) },
    CPUPerc: { header: "CPU %", value: show(({ cpuPercent: value }) => percent(value), "--") },
    MemUsage: {
      header: "MEM USAGE / LIMIT",
      value: show((s) => pair(bytesSize(s.memoryBytes), bytesSize(s.memoryLimitBytes)), "-- / --"),
    },
    MemPerc: {
      header: "MEM %",
      value: show((s) => percent(s.memoryLimitBytes === 0 ? 0 : (s.memoryBytes / s.memoryLimitBytes) * 100), "--"),
    },
    NetIO: {
      header: "NET I/O",
      value: show((s) => pair(humanSize(s.receivedBytes, 3), humanSize(s.sentBytes, 3)), "--"),
    },
    BlockIO: {
      header: "BLOCK I/O",
      value: show((s) => pair(humanSize(s.readBytes, 3), humanSize(s.writtenBytes, 3)), "--"),
    },
    PIDs: { header: "PIDS", value: show(({ processes }) => String(processes), "--") },
  };
}
