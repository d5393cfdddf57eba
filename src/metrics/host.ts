import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";

/** USER_HZ is 100 on every architecture we build for; proc(5) counts in it. */
export const nsPerTick = 10_000_000;

export const hostMemoryBytes: number = totalmem();

/** What all cpus have spent since the machine started, in nanoseconds, and how many there are. */
export async function hostCpu(): Promise<{ systemNs: number; onlineCpus: number }> {
  return parseHostCpu(await readFile("/proc/stat", "utf8"));
}

export function parseHostCpu(text: string): { systemNs: number; onlineCpus: number } {
  // moby parity: user, nice, system, idle, iowait, irq, softirq; not steal and guest
  const fields = /^cpu +(.*)$/m.exec(text)?.[1]?.split(" ").slice(0, 7) ?? [];
  return {
    systemNs: fields.reduce((sum, ticks) => sum + Number(ticks), 0) * nsPerTick,
    onlineCpus: (text.match(/^cpu\d+ /gm) ?? []).length,
  };
}
