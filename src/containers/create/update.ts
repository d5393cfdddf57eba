import { EngineError } from "../../base/errors.ts";
import type { HostConfig, Resources, RestartPolicy } from "../../spec/engine/types.gen.ts";
import type { ContainerRequest } from "../container.ts";
import type { ContainerPlan } from "../plan.ts";
import type { CreateHost } from "./defaults.ts";
import { checkResources, planResources } from "./resources/resources.ts";
import { planRestart } from "./restart.ts";

type Change = Resources & { RestartPolicy?: RestartPolicy | null | undefined };

/** Resources that an update may change; the others of the request are ignored (moby parity). */
const changeable = [
  "BlkioWeight",
  "CpuShares",
  "NanoCpus",
  "CpuPeriod",
  "CpuQuota",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemorySwap",
  "MemoryReservation",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
] as const;

/**
 * The plan and the request after `POST /containers/x/update`. Zero and empty mean "as it is". Throws Docker's texts;
 * conflicts with what is set start with `cannot update container <id>: `.
 */
export function normalizeUpdate(
  id: string,
  current: { plan: ContainerPlan; request: ContainerRequest },
  change: Change,
  host: CreateHost,
): { plan: ContainerPlan; request: ContainerRequest; warnings: string[] } {
  const { resources: wanted, warnings } = checkResources(change, host, { update: true });
  const before = current.request.hostConfig;
  const conflict = (text: string): never => {
    // moby's kind for it: 409
    throw new EngineError("conflict", `Cannot update container ${id}: ${text}`, { id });
  };
  checkCpuConflicts(wanted, before, conflict);
  const { Memory: memory = 0, MemorySwap: swap = 0 } = before;
  if (
    wanted.Memory &&
    wanted.Memory > (swap ?? 0) &&
    !wanted.MemorySwap &&
    (swap ?? 0) !== -1 &&
    (memory ?? 0) + (swap ?? 0) > 0
  ) {
    conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
  const hostConfig: HostConfig = { ...before };
  for (const field of changeable) {
    if (wanted[field]) Object.assign(hostConfig, { [field]: wanted[field] });
  }
  if ((hostConfig.MemorySwap ?? 0) > 0 && (hostConfig.Memory ?? 0) > (hostConfig.MemorySwap ?? 0)) {
    throw new EngineError("invalid", "Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (wanted.PidsLimit !== undefined && wanted.PidsLimit !== null)
    hostConfig.PidsLimit = wanted.PidsLimit > 0 ? wanted.PidsLimit : null;
  let { restart } = current.plan;
  if (change.RestartPolicy?.Name) {
    restart = planRestart(change.RestartPolicy);
    if (before.AutoRemove && restart.policy !== "no")
      conflict("Restart policy cannot be updated because AutoRemove is enabled for the container");
    hostConfig.RestartPolicy = { Name: restart.policy, MaximumRetryCount: restart.maximumRetries };
  }
  return {
    plan: { ...current.plan, restart, resources: planResources(hostConfig) },
    request: { ...current.request, hostConfig },
    warnings,
  };
}

/** Nano CPUs are a period and a quota: only one of the two ways can be in force. */
function checkCpuConflicts(wanted: Resources, before: HostConfig, conflict: (text: string) => never): void {
  const set = (value: number | null | undefined): boolean => (value ?? 0) > 0;
  if (set(wanted.NanoCpus) && set(before.CpuPeriod))
    conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  if (set(wanted.NanoCpus) && set(before.CpuQuota))
    conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  if (set(wanted.CpuPeriod) && set(before.NanoCpus))
    conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (set(wanted.CpuQuota) && set(before.NanoCpus))
    conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
}
