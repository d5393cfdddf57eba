import { EngineError } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";
import { finishRemoval, type RemoveOptions } from "./removal.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { isLive, isRunning, move } from "../books/state.ts";
import { endRestarting, killContainer } from "../stop/stop.ts";

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
