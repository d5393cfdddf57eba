import { rm } from "node:fs/promises";
import { errorMessage } from "../../base/errors.ts";
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
export async function removeAfterExit(deps: ContainerDeps, ended: Container, settled: boolean): Promise<void> {
  const { id } = ended;
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.find(id);
  if (!container || isRunning(container.state) || container.state.status === "removing") return;
  if (container.state.run !== ended.state.run) return; // started once more meanwhile: that run's end removes it
  const removing = deps.records.setVolatile(id, move(container.state, "removing"));
  const options = { caller: engineCaller, force: false, volumes: true };
  fault("remove.after-intent");
  await orDead(deps, id, () => (settled ? erase(deps, removing, options) : release(deps, removing, options)));
}

/** The steps behind `removing`; each may be repeated. What cannot be removed is `dead`, and may be tried again. */
export async function finishRemoval(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  fault("remove.after-intent");
  await orDead(deps, container.id, () => release(deps, container, options));
}

async function orDead(deps: ContainerDeps, id: string, remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    const left = deps.records.find(id);
    if (left?.state.status === "removing")
      deps.records.setState(id, move(left.state, "dead", { error: errorMessage(error) }));
    throw error;
  }
}

async function release(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  await deps.networks.close(container.id, { caller: options.caller });
  await closeRootfs(deps, container);
  await erase(deps, container, options);
}

/** Takes away what the container keeps on disk, its row last. */
async function erase(deps: ContainerDeps, container: Container, options: RemoveOptions): Promise<void> {
  const { id, plan, paths } = container;
  fault("remove.after-unmount");
  deps.activity.forget(id);
  deps.trees.drop(id);
  await Promise.all([deps.snapshotter.remove(id), rm(paths.folder, { recursive: true, force: true })]);
  for (const mount of plan.mounts) {
    if (mount.type !== "volume") continue;
    deps.volumes.release(mount.volume, id);
    if (options.volumes && mount.anonymous) await removeAnonymous(deps, mount.volume, options.caller);
  }
  fault("remove.after-snapshot");
  deps.records.delete(id, plan.autoRemove ? "process" : "full");
  deps.waiters.removed(id, { exitCode: container.state.exitCode });
  publish(deps.events, container, "destroy", options.caller);
}

async function removeAnonymous(deps: ContainerDeps, volume: string, caller: Caller): Promise<void> {
  if (deps.volumes.users(volume).length > 0) return;
  try {
    // without force: one that a label protects stays
    await deps.volumes.remove(volume, { force: false, caller });
  } catch (error) {
    deps.settings.log("warn", "anonymous volume not removed", { volume, error: String(error) });
  }
}
