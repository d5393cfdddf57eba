import { readFileSync } from "node:fs";
import { join } from "node:path";

/** How many processes of the cgroup the kernel has killed for want of memory; 0 when that cannot be told. */
export function oomKills(memoryCgroup: string): number {
  // v1: memory.oom_control, v2: memory.events; both have a row `oom_kill N`
  for (const file of ["memory.oom_control", "memory.events"]) {
    try {
      const count = /^oom_kill (\d+)$/m.exec(readFileSync(join(memoryCgroup, file), "utf8"))?.[1];
      if (count !== undefined) return Number(count);
    } catch {
      // the other version's file, or the cgroup is gone
    }
  }
  return 0;
}
