import { EngineError, errorMessage } from "../../base/errors.ts";
import type { Caller } from "../../spec/caller.ts";
import type { Container } from "../container.ts";
import type { ContainerDeps } from "../deps.ts";
import { publishPrune } from "../events.ts";
import { removeContainer } from "./remove.ts";
import { containerSize } from "../size.ts";

const busy = new WeakSet<object>();

/** Removes the containers that do not run, but for those the caller keeps. One prune at a time (moby parity: 409). */
export async function pruneContainers(
  deps: ContainerDeps,
  options: { caller: Caller; keep: (container: Container) => boolean; signal?: AbortSignal },
): Promise<{ removed: string[]; reclaimedBytes: number }> {
  if (busy.has(deps.records)) throw new EngineError("conflict", "a prune operation is already running");
  busy.add(deps.records);
  try {
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const container of deps.records.list()) {
      if (options.signal?.aborted) break;
      if (
        !["created", "exited", "dead"].includes(container.state.status) ||
        container.state.starting ||
        options.keep(container)
      )
        continue;
      try {
        const { writableBytes } = await containerSize(deps, container.id);
        await removeContainer(deps, container.id, { caller: options.caller, force: false, volumes: false });
        removed.push(container.id);
        reclaimedBytes += writableBytes;
      } catch (error) {
        // Started or removed by somebody else meanwhile, or it cannot be removed: the others still can.
        deps.settings.log("info", "prune left a container", { id: container.id, error: errorMessage(error) });
      }
    }
    publishPrune(deps.events, reclaimedBytes, options.caller);
    return { removed, reclaimedBytes };
  } finally {
    busy.delete(deps.records);
  }
}
