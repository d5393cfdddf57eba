import { closeSync } from "node:fs";
import { fault } from "../../base/fault.ts";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openIdentified, signalPidfd } from "../../kernel/process/pidfd.ts";
import { parseSignal } from "../../spec/signals.ts";
import type { Caller } from "../../spec/caller.ts";
import type { Container } from "../container.ts";
import type { ContainerDeps } from "../deps.ts";
import { publish } from "../events.ts";
import { isLive, move } from "../books/state.ts";

const sigkill = 9;
/** How long a container may take to go after SIGKILL before we say that it hangs. */
const killTimeoutMs = 30_000;

export interface StopOptions {
  readonly caller: Caller;
  readonly signal?: AbortSignal | undefined;
  /** Seconds; -1 = for ever; undefined = the container's own. */
  readonly timeoutSeconds?: number | undefined;
  readonly stopSignal?: string | undefined;
  /** The engine ends it, not a user: the restart policy goes on to act. */
  readonly byEngine?: boolean;
}

/** Asks the container to end, then kills it. not-modified when it does not run. The client's leaving changes nothing. */
export async function stopContainer(deps: ContainerDeps, ref: string, options: StopOptions): Promise<void> {
  const found = deps.records.find(ref);
  if (!found) throw new EngineError("not-found", `cannot kill container: ${ref}: No such container: ${ref}`, { ref });
  const { id } = found;
  await deps.activity.started(id);
  const container = deps.records.get(id);
  if (container.state.status === "restarting") {
    endRestarting(deps, container);
    publish(deps.events, container, "stop", options.caller);
    return;
  }
  if (!isLive(container.state)) throw new EngineError("not-modified", `container ${id} is not running`);
  await endRun(deps, container, options);
  publish(deps.events, container, "stop", options.caller);
}

/** A container that waits for its restart policy does not come back. */
export function endRestarting(deps: ContainerDeps, container: Container): void {
  deps.activity.cancelRestart(container.id);
  deps.records.setState(container.id, move({ ...container.state, stoppedByUser: true }, "exited"));
  deps.waiters.exited(container.id, { exitCode: container.state.exitCode });
}

async function endRun(deps: ContainerDeps, container: Container, options: StopOptions): Promise<void> {
  const { id, plan } = container;
  const stopSignal = options.stopSignal ? parseSignal(options.stopSignal) : plan.process.stopSignal;
  const seconds = options.timeoutSeconds ?? plan.process.stopTimeoutSeconds;
  if (!options.byEngine) {
    deps.records.setState(id, { ...deps.records.get(id).state, stoppedByUser: true });
    deps.activity.takeDemand(id); // a restart that a health check asked for is off
  }
  fault("stop.after-intent");
  // Who waits for ever may stop waiting: there is no SIGKILL left to send.
  const ended = deps.waiters.add(id, "next-exit", seconds < 0 ? options.signal : undefined);
  ended.catch(() => undefined); // told below
  if (seconds !== 0) {
    await sendSignal(deps, container, stopSignal, options.caller);
    fault("stop.after-signal");
    await thaw(deps, id, options.caller);
    if (await within(ended, seconds < 0 ? undefined : seconds * 1000)) return;
  }
  await killAndWait(deps, container, ended, options.caller);
}

async function killAndWait(
  deps: ContainerDeps,
  container: Container,
  ended: Promise<unknown>,
  caller: Caller,
): Promise<void> {
  fault("stop.after-grace");
  await sendSignal(deps, container, sigkill, caller);
  fault("stop.after-kill");
  await thaw(deps, container.id, caller);
  if (await within(ended, killTimeoutMs)) return;
  throw new EngineError(
    "internal",
    `container ${container.id} did not exit within ${killTimeoutMs / 1000}s of SIGKILL: one of its processes may hang in the kernel`,
    { id: container.id },
  );
}

/** A frozen process gets its signal only when it is thawed; one that it ended at once (cgroup v2) needs no thawing. */
async function thaw(deps: ContainerDeps, id: string, caller: Caller): Promise<void> {
  const container = deps.records.find(id);
  if (container?.state.status !== "paused") return;
  try {
    await deps.runtimes.get(container.plan.runtime).driver.resume(id);
  } catch (error) {
    deps.settings.log("warn", "a paused container could not be thawed for its signal", {
      id,
      error: errorMessage(error),
    });
    return;
  }
  const now = deps.records.find(id);
  if (now?.state.status === "paused")
    publish(deps.events, deps.records.setState(id, move(now.state, "running")), "unpause", caller);
}

/** Sends a signal to init; one that is gone already is no error: its exit is on the way. */
async function sendSignal(deps: ContainerDeps, container: Container, signal: number, caller: Caller): Promise<void> {
  publish(deps.events, container, "kill", caller, { signal: String(signal) });
  const { pid, pidIdentity } = container.state;
  try {
    await deps.runtimes
      .get(container.plan.runtime)
      .driver.kill(container.id, signal, { all: signal === sigkill && container.plan.namespaces.pid !== "private" });
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return;
    // A runtime that is gone or hangs must not keep its container alive: the kernel knows init too.
    if (signal !== sigkill || pid <= 1) throw error;
    killIdentified(pid, pidIdentity);
    deps.settings.log("warn", "the runtime could not kill a container, so its init was", {
      id: container.id,
      error: errorMessage(error),
    });
  }
}

function killIdentified(pid: number, identity: string): void {
  const pidfd = openIdentified(pid, identity);
  if (pidfd === undefined) return; // it is gone
  try {
    signalPidfd(pidfd, sigkill);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ESRCH") throw error;
  } finally {
    closeSync(pidfd);
  }
}

async function within(ended: Promise<unknown>, timeoutMs: number | undefined): Promise<boolean> {
  if (timeoutMs === undefined) return ended.then(() => true);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  try {
    return await Promise.race([ended.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether a user's signal means that the restart policy shall stay quiet (moby parity): SIGKILL, the stop signal, and
 * any other where no stop signal is configured; with `unless-stopped` every one.
 */
function endsPolicy({ plan, request }: Container, signal: number): boolean {
  return (
    signal === sigkill ||
    signal === plan.process.stopSignal ||
    !request.config.StopSignal ||
    plan.restart.policy === "unless-stopped"
  );
}

/** Sends one signal. SIGKILL waits for the exit, others return at once (moby parity). */
export async function killContainer(
  deps: ContainerDeps,
  ref: string,
  options: { caller: Caller; killSignal: string; byEngine?: boolean },
): Promise<void> {
  const signal = options.killSignal ? parseSignal(options.killSignal) : sigkill;
  const found = deps.records.find(ref);
  if (!found) throw new EngineError("not-found", `cannot kill container: ${ref}: No such container: ${ref}`, { ref });
  const { id } = found;
  await deps.activity.started(id);
  const container = deps.records.get(id);
  if (container.state.status === "restarting") {
    endRestarting(deps, container);
    return;
  }
  if (!isLive(container.state)) {
    throw new EngineError("conflict", `cannot kill container: ${ref}: container ${id} is not running`, { id });
  }
  if (!options.byEngine && endsPolicy(container, signal)) {
    deps.records.setState(id, { ...container.state, stoppedByUser: true });
  }
  if (signal !== sigkill) return sendSignal(deps, container, signal, options.caller);
  await killAndWait(deps, container, deps.waiters.add(id, "next-exit"), options.caller);
}
