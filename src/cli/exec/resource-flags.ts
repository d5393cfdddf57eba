import type { FlagTable } from "../command.ts";
import { checkCpus, checkMemorySwap, checkUnsigned } from "./value-checks.ts";

/** Limits that `run`, `create` and `update` share. */
export const resourceFlags = {
  "blkio-weight": {
    type: "int",
    valueName: "uint16",
    check: checkUnsigned(16),
    defaultText: "0",
    help: "Weight of block IO, 10 to 1000; 0 switches it off",
  },
  "cpu-period": { type: "int", help: "Period of the CFS quota in microseconds" },
  "cpu-quota": { type: "int", help: "CFS quota in microseconds per period" },
  "cpu-rt-period": { type: "int", help: "Real-time period in microseconds" },
  "cpu-rt-runtime": { type: "int", help: "Real-time runtime in microseconds" },
  "cpu-shares": { type: "int", short: "c", help: "Weight of CPU time against other containers" },
  cpus: { type: "string", valueName: "decimal", check: checkCpus, help: "Number of CPUs" },
  "cpuset-cpus": { type: "string", help: "CPUs to run on (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "Memory nodes to use (0-3, 0,1)" },
  memory: { type: "bytes", short: "m", help: "Memory limit" },
  "memory-reservation": { type: "bytes", help: "Memory soft limit" },
  "memory-swap": {
    type: "string",
    valueName: "bytes",
    check: checkMemorySwap,
    help: "Limit of memory and swap together; -1 for unlimited swap",
  },
  "pids-limit": { type: "int", help: "Limit of processes and threads; -1 for none" },
} as const satisfies FlagTable;
