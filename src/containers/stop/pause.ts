import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import type { Caller } from "../../spec/caller.ts";
import { move } from "../books/state.ts";
import { hasEnded } from "../has-ended.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { publish } from "../events.ts";

/** Freezes all processes. */
export async function pauseContainer(deps: ContainerDeps, ref: string, caller: Caller): Promise<void> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.get(id);
  const { state } = container;
  if (state.status === "paused") throw new EngineError("conflict", `container ${id} is already paused`, { id });
  if (state.status === "restarting")
    throw new EngineError("conflict", `Container ${id} is restarting, wait until the container is running`, { id });
  if (state.status !== "running") throw new EngineError("conflict", `container ${id} is not running`, { id });
  try {
    await deps.runtimes.get(container.plan.runtime).driver.pause(id);
  } catch (error) {
    if (!hasEnded(deps, container)) throw error;
    throw new EngineError("conflict", `container ${id} is not running`, { id }, { cause: error });
  }
  fault("pause.after-freeze");
  const now = deps.records.get(id);
  if (now.state.status === "running")
    publish(deps.events, deps.records.setState(id, move(now.state, "paused")), "pause", caller);
}

/** Lets them go on. */
export async function unpauseContainer(deps: ContainerDeps, ref: string, caller: Caller): Promise<void> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.get(id);
  if (container.state.status !== "paused") throw new EngineError("internal", `Container ${id} is not paused`, { id });
  await deps.runtimes.get(container.plan.runtime).driver.resume(id);
  fault("unpause.after-thaw");
  const now = deps.records.get(id);
  if (now.state.status === "paused")
    publish(deps.events, deps.records.setState(id, move(now.state, "running")), "unpause", caller);
}
