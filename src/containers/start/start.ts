import { EngineError, errorMessage } from "../../base/errors.ts";
import { nowNs } from "../../base/clock.ts";
import { fault } from "../../base/fault.ts";
import { type Caller, engineCaller } from "../../spec/caller.ts";
import type { Container } from "../container.ts";
import { type ContainerDeps, lockTimeoutMs } from "../deps.ts";
import { publish, publishVolumes } from "../events.ts";
import { isRunning, move } from "../books/state.ts";
import { completeCreate } from "../create/create.ts";
import { checkProc } from "./check-proc.ts";
import { createProcess, keepFilter, writeBundle } from "./process.ts";
import { finishRemoval } from "../remove/removal.ts";
import { sandboxPlan } from "../sandbox-plan.ts";
import { closeRootfs, openRootfs } from "./rootfs.ts";

export interface StartOptions {
  readonly caller: Caller;
  readonly signal?: AbortSignal | undefined;
  /** The restart policy acts: counters stay. */
  readonly byPolicy?: boolean;
  /** Looked at when the container's turn has come: false = nothing is started, a user was faster. */
  readonly wanted?: (container: Container) => boolean;
}

/**
 * Starts a container: namespace and networks, root file system, OCI bundle, then the monitor's create and start.
 * A failure undoes everything, keeps its text in the state and rejects with it (moby parity: status stays `created`
 * or `exited`, exit code 126, 127 or 128). not-modified when it runs already.
 */
export async function startContainer(deps: ContainerDeps, ref: string, options: StartOptions): Promise<void> {
  const { id } = deps.records.get(ref);
  using _lock = await deps.locks.acquire(id, {
    timeoutMs: lockTimeoutMs,
    what: `container ${id}`,
    ...(options.signal && { signal: options.signal }),
  });
  for (let settled = deps.activity.settled(id); settled; settled = deps.activity.settled(id)) await settled;
  const container = deps.records.get(id);
  if (options.wanted?.(container) === false) return;
  checkStartable(container);
  deps.activity.cancelRestart(id);
  await deps.activity.starting(id, () => launch(deps, container, options));
}

function checkStartable(container: Container): void {
  const { id, state } = container;
  switch (state.status) {
    case "running":
      throw new EngineError("not-modified", `container ${id} is already running`);
    case "paused":
      throw new EngineError("conflict", "cannot start a paused container, try unpause instead", { id });
    case "removing":
      throw new EngineError("conflict", "container is marked for removal and cannot be started", { id });
    case "dead":
      throw new EngineError("conflict", "container is dead and cannot be started", { id });
    default:
  }
}

async function launch(deps: ContainerDeps, before: Container, options: StartOptions): Promise<void> {
  const { id } = before;
  // State before action: the next daemon sees a start that was begun, and which run it is.
  const begun = {
    ...before.state,
    starting: true,
    run: before.state.run + 1,
    error: "",
    stoppedByUser: false,
    hasRun: true,
    restartCount: options.byPolicy ? before.state.restartCount : 0,
  };
  const container = deps.records.setState(id, begun, "process");
  try {
    await bringUp(deps, await completeCreate(deps, container, options.caller), options);
  } catch (error) {
    await failed(deps, id, error);
    throw error;
  }
}

async function bringUp(deps: ContainerDeps, container: Container, options: StartOptions): Promise<void> {
  const { id, plan, state } = container;
  fault("start.after-intent");
  if (plan.network.sharedWith !== undefined) deps.records.get(plan.network.sharedWith);
  const runtime = deps.runtimes.get(plan.runtime);
  await using undo = new AsyncDisposableStack();
  // Each step of the undoing is done whatever becomes of the others, and none hides why the start failed.
  const undoBy = (what: string, step: () => Promise<void>): void =>
    undo.defer(() =>
      step().catch((error: unknown) =>
        deps.settings.log("error", `undoing a start: ${what} failed`, { id, error: errorMessage(error) }),
      ),
    );
  undoBy("network", () => deps.networks.close(id, { caller: options.caller }));
  undoBy("root file system", () => closeRootfs(deps, container));
  const [network, rootfs] = await Promise.allSettled([
    deps.networks.open(sandboxPlan(container), {
      caller: options.caller,
      ...(options.signal && { signal: options.signal }),
    }),
    openRootfs(deps, container),
  ]);
  if (network.status === "rejected") throw network.reason;
  if (rootfs.status === "rejected") throw rootfs.reason;
  fault("start.after-network");
  publishVolumes(deps.events, container, "mount", options.caller);
  undo.defer(() => publishVolumes(deps.events, container, "unmount", options.caller));
  const sandbox = network.value;
  const { name } = deps.records.get(id);
  if (name !== container.name) deps.networks.rename(id, name); // renamed while its network was made
  const { seccomp } = await writeBundle(deps, container, { sandbox, sources: rootfs.value, runtime });
  fault("start.after-bundle");
  // The monitor may have died in between, and then knows nothing of it.
  undoBy("runtime", () => runtime.driver.undoCreate(id, container.paths.bundle));
  undoBy("monitor", () => deps.monitor.discard(id));
  const identity = await deps.monitor.create(createProcess(deps, container));
  void keepFilter(deps, id, runtime, seccomp).catch((error: unknown) =>
    deps.settings.log("warn", "compiled seccomp filter not kept", { id, error: errorMessage(error) }),
  );
  fault("start.after-create");
  checkProc(identity.pid, plan);
  // State before action: the row says running before the process is let go, so that no crash in between can lose it.
  // `starting` stays on disk; the next daemon starts a process that was made and never let go.
  deps.records.setState(
    id,
    move(deps.records.get(id).state, "running", {
      pid: identity.pid,
      pidIdentity: identity.identity,
      startedAtNs: nowNs(),
      exitCode: 0,
      oomKilled: false,
      sandbox,
      health: plan.health ? { status: "starting", failingStreak: 0, log: [] } : null,
    }),
  );
  fault("start.after-running");
  await deps.monitor.start(id, state.run);
  fault("start.after-start");
  const running = deps.records.setVolatile(id, { ...deps.records.get(id).state, starting: false });
  undo.move();
  publish(deps.events, running, "start", options.caller);
}

async function failed(deps: ContainerDeps, id: string, error: unknown): Promise<void> {
  const container = deps.records.find(id);
  if (!container) return;
  const message = errorMessage(error);
  const state = {
    ...container.state,
    starting: false,
    error: message,
    exitCode: startExitCode(message),
    pid: 0,
    pidIdentity: "",
    sandbox: null,
    health: null,
  };
  deps.records.setState(id, isRunning(container.state) ? move(state, "exited", { finishedAtNs: nowNs() }) : state);
  // moby parity: the start itself has told why; clients would print it a second time
  deps.waiters.exited(id, { exitCode: state.exitCode });
  if (!container.plan.autoRemove) return;
  // The lock is ours: the removal does not take it again.
  await finishRemoval(deps, deps.records.setState(id, move(deps.records.get(id).state, "removing")), {
    caller: engineCaller,
    force: false,
    volumes: true,
  });
}

/** 127 for a program that is not there, 126 for one that may not run, 128 for the rest (moby parity). */
export function startExitCode(message: string): number {
  const text = message.toLowerCase();
  if (
    /executable file not found|executable file .* not found|no such file or directory|system cannot find the file specified/.test(
      text,
    )
  )
    return 127;
  if (/permission denied|is a directory|operation not permitted/.test(text)) return 126;
  return 128;
}
