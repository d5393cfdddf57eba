import { EngineError } from "../base/errors.ts";
import { engineCaller } from "../spec/caller.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish } from "./events.ts";
import type { ExecDeps } from "./exec/exec.ts";
import { isLive } from "./books/state.ts";

interface Size {
  readonly rows: number;
  readonly columns: number;
}

export async function resizeContainer(deps: ContainerDeps, ref: string, size: Size): Promise<void> {
  const container = deps.records.get(ref);
  if (!isLive(container.state))
    throw new EngineError("conflict", `container ${container.id} is not running`, { id: container.id });
  await deps.monitor.resize(container.id, undefined, size);
  publish(deps.events, container, "resize", engineCaller, { height: String(size.rows), width: String(size.columns) });
}

/** How long a resize waits for an exec that is about to start (moby parity). */
const startTimeoutMs = 10_000;

export async function resizeExec(deps: ExecDeps, execId: string, size: Size): Promise<void> {
  await deps.execs.ran(execId, startTimeoutMs);
  const exec = deps.execs.get(execId);
  if (exec.exitCode !== null) throw new EngineError("invalid", `exec ${execId} has ended`, { execId });
  if (!exec.running) throw new EngineError("invalid", "timeout waiting for exec session ready", { execId });
  await deps.monitor.resize(exec.containerId, execId, size);
}
