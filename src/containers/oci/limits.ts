import { type OciRlimit, unlimited } from "../../spec/oci/runtime.ts";
import type { ProcessPlan } from "../plan.ts";
import type { SpecHost } from "./host.ts";

/**
 * Rlimits as OCI has them. Where this process may not raise limits, what goes beyond its own hard limit is cut to it
 * with a warning, as rootless engines do: the runtime would refuse the whole container.
 */
export function limitRlimits(rows: ProcessPlan["rlimits"], host: SpecHost, warn: (text: string) => void): OciRlimit[] {
  return rows.map(({ name, soft, hard }) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    const most = host.canRaiseLimits ? Infinity : (host.hardLimits[type] ?? Infinity);
    const wanted = hard < 0 ? Infinity : hard;
    if (wanted > most)
      warn(`ulimit ${name}=${hard} is more than this engine may give (it has no CAP_SYS_RESOURCE): ${most} is used`);
    const settled = Math.min(wanted, most);
    return { type, soft: asRaw(Math.min(soft < 0 ? Infinity : soft, settled)), hard: asRaw(settled) };
  });
}

const asRaw = (limit: number): OciRlimit["hard"] => (limit === Infinity ? unlimited : limit);

/** The OOM score, not below this process's own where it may not go lower. */
export function limitOomScore(wanted: number, host: SpecHost, warn: (text: string) => void): number {
  if (host.canRaiseLimits || wanted >= host.oomScoreAdj) return wanted;
  // a default that cannot be reached is nobody's wish
  if (wanted !== 0)
    warn(
      `oom score ${wanted} is less than this engine may give (it has no CAP_SYS_RESOURCE): ${host.oomScoreAdj} is used`,
    );
  return host.oomScoreAdj;
}
