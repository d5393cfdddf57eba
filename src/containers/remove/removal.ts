import { rm } from "node:fs/promises";
import { fault } from "../../base/fault.ts";
import { type Caller, engineCaller } from "../../spec/caller.ts";
import { isRunning, move } from "../books/state.ts";
import type { Container } from "../container.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { publish } from "../events.ts";
import { closeRootfs } from "../start/rootfs.ts";

export interface RemoveOptions {
  readonly caller: Caller;
  readonly force: boolean;
  /** Removes its anonymous volumes too. */
  readonly volumes: boolean;
}

/** `--rm`: the exit handler removes the container and its anonymous volumes. */
export async function removeAfterExit(deps: ContainerDeps, id: string): Promise<void> {
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.find(id);
  if (!container || isRunning(container.state) || container.state.status === "removing") return;
  await finishRemoval(deps, deps.records.setState(id, move(container.state, "removing")), { caller: engineCaller, force: false, volumes: true });
}

/** The steps behind `removing`; each may be repeated. */
export async function finishRemoval(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  const { id, plan, paths } = container;
  fault("remove.after-intent");
  deps.activity.forget(id);
  await deps.networks.close(id, { caller: options.caller });
  await closeRootfs(deps, container);
  fault("remove.after-unmount");
  await deps.snapshotter.remove(id);
  for (const mount of plan.mounts) {
    if (mount.type !== "volume") continue;
    deps.volumes.release(mount.volume, id);
    if (options.volumes && mount.anonymous) await removeAnonymous(deps, mount.volume, options.caller);
  }
  fault("remove.after-snapshot");
  await rm(paths.folder, { recursive: true, force: true });
  deps.records.delete(id);
  deps.waiters.removed(id, { exitCode: container.state.exitCode });
  publish(deps.events, container, "destroy", options.caller);
}

async function removeAnonymous(deps: ContainerDeps, volume: string, caller: Caller): Promise<void> {
  if (deps.volumes.users(volume).length > 0) return;
  try {
    await deps.volumes.remove(volume, { force: true, caller });
  } catch (error) {
    deps.settings.log("warn", "anonymous volume not removed", { volume, error: String(error) });
  }
}
