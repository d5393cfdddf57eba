import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { removeAfterExit } from "../remove/removal.ts";
import { isRunning } from "../books/state.ts";
import type { ContainerDeps } from "../deps.ts";
import { publish } from "../events.ts";
import { startContainer } from "../start/start.ts";
import { stopContainer, type StopOptions } from "./stop.ts";

/** Stops it if it runs, and starts it. */
export async function restartContainer(deps: ContainerDeps, ref: string, options: StopOptions): Promise<void> {
  const { id } = deps.records.get(ref);
  try {
    using _kept = deps.activity.keep(id);
    // It may end by itself before it is stopped, and somebody else may start it before we do.
    if (isRunning(deps.records.get(id).state)) await stopContainer(deps, id, options).catch(ignoreNotModified);
    fault("restart.after-stop");
    await startContainer(deps, id, { caller: options.caller }).catch(ignoreNotModified);
  } catch (error) {
    const left = deps.records.find(id);
    if (left?.plan.autoRemove) await removeAfterExit(deps, left, false);
    throw error;
  }
  publish(deps.events, deps.records.get(id), "restart", options.caller);
}

function ignoreNotModified(error: unknown): void {
  if (!(error instanceof EngineError) || error.kind !== "not-modified") throw error;
}
