import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import type { Caller } from "../../spec/caller.ts";
import { finishRemoval, type RemoveOptions } from "./removal.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import type { Status } from "../container.ts";
import { isLive, isRunning, move } from "../books/state.ts";
import { endRestarting, killContainer } from "../stop/stop.ts";

/** Removes a container. The status `removing` is written first: a crash after that is finished by the next daemon. */
export async function removeContainer(deps: ContainerDeps, ref: string, options: RemoveOptions): Promise<void> {
  const { id, name } = deps.records.get(ref);
  // More than one round only when somebody starts it again meanwhile.
  for (let rounds = 1; ; rounds++) {
    await end(deps, id, ref, options);
    fault("remove.after-end");
    await deps.activity.settled(id);
    using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
    // An AutoRemove container may be gone by now: that is what was asked for.
    const container = deps.records.find(id);
    if (!container) return;
    const { status } = container.state;
    if (status === "removing") throw inProgress(id);
    if (isRunning(container.state) && (!options.force || rounds === maxRounds)) throw stillRuns(ref, name, status);
    if (isRunning(container.state) || deps.activity.settled(id)) continue;
    const removing = move(container.state, "removing", { removesVolumes: options.volumes });
    await finishRemoval(deps, deps.records.setState(id, removing), options);
    return;
  }
}

const maxRounds = 10;
/** A start that is under way may end by itself for so long; then it is cut off. */
const startGraceMs = 1_000;

/** Ends a container that runs, or is about to, when it shall be removed by force. */
async function end(deps: ContainerDeps, id: string, ref: string, options: RemoveOptions): Promise<void> {
  if (options.force && deps.records.find(id)?.state.starting) await cutStart(deps, id);
  const container = deps.records.find(id);
  if (!container) return;
  const { name, state } = container;
  if (state.status === "removing") throw inProgress(id);
  if (!isRunning(state)) return;
  if (!options.force) throw stillRuns(ref, name, state.status);
  if (state.status === "restarting" && !state.starting) endRestarting(deps, container);
  else await killQuietly(deps, id, options.caller);
}

/** Waits for a start; one that takes long, with a runtime that hangs, is given up by the monitor and fails. */
async function cutStart(deps: ContainerDeps, id: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), startGraceMs);
  const first = await Promise.race([deps.activity.started(id), promise]);
  clearTimeout(timer);
  if (first !== "late") return;
  await deps.monitor.discard(id);
  await deps.activity.started(id);
}

const inProgress = (id: string): EngineError =>
  new EngineError("conflict", `removal of container ${id} is already in progress`, { id });

const stillRuns = (ref: string, name: string, status: Status): EngineError =>
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
