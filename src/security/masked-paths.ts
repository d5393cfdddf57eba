import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Paths a container sees as empty, unless privileged. Docker 28's list. */
const masked = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Paths a container cannot write to, unless privileged. */
export const defaultReadonlyPaths: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

let onThisHost: readonly string[] | undefined;

/** The masked paths on this host: the fixed ones, and each CPU's throttle counters (a side channel between containers). */
export function defaultMaskedPaths(): readonly string[] {
  onThisHost ??= [
    ...masked,
    ...Array.from(
      { length: availableParallelism() },
      (_, cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`,
    ).filter((path) => existsSync(path)),
  ];
  return onThisHost;
}
