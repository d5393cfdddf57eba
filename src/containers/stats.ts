import { join } from "node:path";
import { readStats } from "../metrics/read.ts";
import type { Stats } from "../metrics/stats.ts";
import type { ContainerDeps } from "./deps.ts";
import { cgroupsPath } from "./oci/cgroup.ts";
import { isLive } from "./books/state.ts";

/** One sample of what the container uses; zeros when it does not run. */
export async function containerStats(deps: ContainerDeps, ref: string): Promise<Stats> {
  const { id, plan, state } = deps.records.get(ref);
  return readStats({ cgroup: join("/", cgroupsPath(id, plan.cgroupParent)), pid: isLive(state) ? state.pid : 0 });
}
