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

/**
 * `--rm`: the exit handler removes the container and its anonymous volumes. `settled`: its namespace and mounts are
 * gone already. The row needs no `removing` of its own: one that says exited and `--rm` means the same to the next
 * daemon.
 */
export async function removeAfterExit(deps: ContainerDeps, id: string, settled: boolean): Promise<void> {
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.find(id);
  if (!container || isRunning(container.state) || container.state.status === "removing") return;
  const removing = deps.records.setVolatile(id, move(container.state, "removing"));
  const options = { caller: engineCaller, force: false, volumes: true };
  fault("remove.after-intent");
  if (settled) await erase(deps, removing, options);
  else await finishRemoval(deps, removing, options);
}

/** The steps behind `removing`; each may be repeated. */
export async function finishRemoval(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  fault("remove.after-intent");
  await deps.networks.close(container.id, { caller: options.caller });
  await closeRootfs(deps, container);
  await erase(deps, container, options);
}

/** Takes away what the container keeps on disk, its row last. */
async function erase(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  const { id, plan, paths } = container;
  fault("remove.after-unmount");
  deps.activity.forget(id);
  await Promise.all([deps.snapshotter.remove(id), rm(paths.folder, { recursive: true, force: true })]);
  for (const mount of plan.mounts) {
    if (mount.type !== "volume") continue;
    deps.volumes.release(mount.volume, id);
    if (options.volumes && mount.anonymous) await removeAnonymous(deps, mount.volume, options.caller);
  }
  fault("remove.after-snapshot");
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
