import { rm } from "node:fs/promises";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { type Caller, engineCaller } from "../spec/caller.ts";
import type { Container } from "./container.ts";
import { publish } from "./events.ts";
import { closeRootfs } from "./start/rootfs.ts";
import { type ContainerDeps, lockTimeoutMs } from "./deps.ts";
import { isLive, isRunning, move } from "./state.ts";
import { endRestarting, killContainer } from "./stop.ts";

export interface RemoveOptions {
  readonly caller: Caller;
  readonly force: boolean;
  /** Removes its anonymous volumes too. */
  readonly volumes: boolean;
}

/** Removes a container. The status `removing` is written first: a crash after that is finished by the next daemon. */
export async function removeContainer(deps: ContainerDeps, ref: string, options: RemoveOptions): Promise<void> {
  const { id, name, state } = deps.records.get(ref);
  if (state.status === "removing") throw inProgress(id);
  if (isRunning(state)) {
    if (!options.force) throw stillRuns(ref, name, state.status === "paused" ? "paused" : state.status === "restarting" ? "restarting" : "running");
    if (state.status === "restarting") endRestarting(deps, deps.records.get(id));
    else await killQuietly(deps, id, options.caller);
  }
  await deps.activity.settled(id);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  // An AutoRemove container may be gone by now: that is what was asked for.
  const container = deps.records.find(id);
  if (!container) return;
  if (container.state.status === "removing") throw inProgress(id);
  if (isLive(container.state)) throw stillRuns(ref, name, "running");
  await finishRemoval(deps, deps.records.setState(id, move(container.state, "removing")), options);
}

const inProgress = (id: string): EngineError => new EngineError("conflict", `removal of container ${id} is already in progress`, { id });

const stillRuns = (ref: string, name: string, status: string): EngineError =>
  new EngineError(
    "conflict",
    `cannot remove container "${name || ref}": container is ${status}: ${status === "paused" ? "unpause and " : ""}stop the container before removing or force remove`,
    { ref },
  );

async function killQuietly(deps: ContainerDeps, id: string, caller: Caller): Promise<void> {
  try {
    await killContainer(deps, id, { caller, killSignal: "KILL" });
  } catch (error) {
    // It ended by itself meanwhile.
    const now = deps.records.find(id);
    if (now && isLive(now.state)) throw error;
  }
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
