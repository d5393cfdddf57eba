import type { FlagValues } from "../command.ts";
import type { Resources } from "../../spec/engine/types.gen.ts";
import { parseMemorySwap, parseNanoCpus } from "./value-checks.ts";
import type { resourceFlags } from "./resource-flags.ts";

/** The limits that `run`, `create` and `update` share, as the API takes them. */
export function resourceLimits(flags: FlagValues<typeof resourceFlags>): Resources {
  return {
    BlkioWeight: flags["blkio-weight"] ?? 0,
    CpuPeriod: flags["cpu-period"] ?? 0,
    CpuQuota: flags["cpu-quota"] ?? 0,
    CpuRealtimePeriod: flags["cpu-rt-period"] ?? 0,
    CpuRealtimeRuntime: flags["cpu-rt-runtime"] ?? 0,
    CpuShares: flags["cpu-shares"] ?? 0,
    CpusetCpus: flags["cpuset-cpus"] ?? "",
    CpusetMems: flags["cpuset-mems"] ?? "",
    Memory: flags.memory ?? 0,
    MemoryReservation: flags["memory-reservation"] ?? 0,
    MemorySwap: flags["memory-swap"] === undefined ? 0 : parseMemorySwap(flags["memory-swap"]),
    NanoCpus: flags.cpus === undefined ? 0 : parseNanoCpus(flags.cpus),
    PidsLimit: flags["pids-limit"] ?? 0,
  };
}
