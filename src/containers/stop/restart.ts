import { isRunning } from "../books/state.ts";
import type { ContainerDeps } from "../deps.ts";
import { publish } from "../events.ts";
import { startContainer } from "../start/start.ts";
import { stopContainer, type StopOptions } from "./stop.ts";

/** Stops it if it runs, and starts it. */
export async function restartContainer(deps: ContainerDeps, ref: string, options: StopOptions): Promise<void> {
  const { id } = deps.records.get(ref);
  using _kept = deps.activity.keep(id);
  if (isRunning(deps.records.get(id).state)) await stopContainer(deps, id, options);
  await startContainer(deps, id, { caller: options.caller });
  publish(deps.events, deps.records.get(id), "restart", options.caller);
}
