import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import type { Resources, RestartPolicy } from "../spec/engine/types.gen.ts";
import { normalizeUpdate } from "./create/update.ts";
import type { ResourcePlan } from "./plan.ts";
import { type ContainerDeps, lockTimeoutMs } from "./deps.ts";
import { publish } from "./events.ts";
import { buildResources } from "./oci/cgroup.ts";
import { gatherDevices } from "./oci/devices.ts";
import { readSpecHost } from "./oci/host.ts";
import { isLive } from "./books/state.ts";
import { hasEnded } from "./has-ended.ts";

/** Changes limits and the restart policy: at once when it runs, and for its next start. */
export async function updateContainer(
  deps: ContainerDeps,
  ref: string,
  change: Resources & { RestartPolicy?: RestartPolicy | null | undefined },
  caller: Caller,
): Promise<{ warnings: string[] }> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const before = deps.records.get(id);
  const { plan, request, warnings } = normalizeUpdate(id, before, change, deps.settings.defaults().host);
  // One write: the limits, and that the kernel may not have them yet.
  deps.records.setVolatile(id, { ...before.state, updating: isLive(before.state) });
  const after = deps.records.change(id, { plan, request });
  const done = (): { warnings: string[] } => {
    publish(deps.events, after, "update", caller);
    return { warnings };
  };
  if (isLive(after.state)) {
    try {
      fault("update.after-row");
      await applyResources(deps, id, before.plan.resources);
    } catch (error) {
      if (hasEnded(deps, after)) return done();
      // What the kernel refused must not come back at the next start.
      deps.records.setVolatile(id, { ...deps.records.get(id).state, updating: false });
      deps.records.change(id, { plan: before.plan, request: before.request });
      throw error;
    }
  }
  return done();
}

/** Gives the kernel the limits that the row has. */
export async function applyResources(deps: ContainerDeps, id: string, previous?: ResourcePlan): Promise<void> {
  const { plan } = deps.records.get(id);
  const { numbers } = await gatherDevices(plan);
  const resources = buildResources(plan.resources, readSpecHost(), numbers, previous && { previous });
  await deps.runtimes.get(plan.runtime).driver.update(id, resources);
  // The next write takes it along; until then a crash applies them once more.
  const now = deps.records.find(id);
  if (now) deps.records.setVolatile(id, { ...now.state, updating: false });
}
