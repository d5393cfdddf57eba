import { errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import type { ExitEvent } from "../monitor/protocol.ts";
import { engineCaller } from "../spec/caller.ts";
import type { Container } from "./container.ts";
import type { ContainerDeps } from "./deps.ts";
import { publish, publishVolumes } from "./events.ts";
import { removeAfterExit } from "./remove/removal.ts";
import { closeRootfs } from "./start/rootfs.ts";
import { startContainer } from "./start/start.ts";
import { isLive, move } from "./books/state.ts";
import type { WaitResult } from "./books/waiters.ts";

/** A run this long makes the restart policy begin its delays anew (moby parity). */
const steadyRunNs = 10_000_000_000n;

/**
 * A container's init ended: the state is written and the exit acknowledged before anything else, then its namespace,
 * mounts and cgroup go, waiters wake, and the restart policy or `--rm` acts. Safe to repeat for the same run.
 */
export async function containerExited(deps: ContainerDeps, event: ExitEvent): Promise<void> {
  // A very short run can end before its start has been written down.
  await deps.activity.started(event.id);
  const before = deps.records.find(event.id);
  if (!before || before.state.run !== event.run || !isLive(before.state)) {
    await deps.monitor.acknowledge(event.id, event.run);
    return;
  }
  const restarts = deps.activity.takeDemand(event.id) || shouldRestart(before, event.exitCode);
  const ranNs = BigInt(event.atNs) - before.state.startedAtNs;
  const container = deps.records.setState(
    event.id,
    move(before.state, restarts ? "restarting" : "exited", {
      pid: 0,
      pidIdentity: "",
      exitCode: event.exitCode,
      oomKilled: event.oomKilled,
      error: event.unknown
        ? "the exit status is not known: the process ended while neither daemon nor monitor ran"
        : "",
      finishedAtNs: BigInt(event.atNs),
      sandbox: null,
      restartCount: before.state.restartCount + (restarts ? 1 : 0),
    }),
    before.plan.autoRemove ? "process" : "full",
  );
  const wake = deps.waiters.ending(event.id);
  fault("exit.after-state");
  void deps.monitor
    .acknowledge(event.id, event.run)
    .catch((error: unknown) =>
      deps.settings.log("warn", "exit not acknowledged", { id: event.id, error: errorMessage(error) }),
    );
  publish(deps.events, container, "die", engineCaller, {
    exitCode: String(event.exitCode),
    execDuration: String(ranNs / 1_000_000_000n),
  });
  if (ranNs >= steadyRunNs) deps.activity.resetRestartDelay(event.id);
  const settled = await deps.activity.settling(event.id, () => settle(deps, container, wake));
  if (restarts) return planRestart(deps, container.id);
  if (container.plan.autoRemove && !deps.activity.isKept(container.id)) await removeAfterExit(deps, container, settled);
}

/**
 * Undoes what the start made; false when a step failed. The port is free before waiters hear of the exit, and with
 * `--rm` the mounts are gone too.
 */
export async function settle(
  deps: ContainerDeps,
  container: Container,
  wake: (result: WaitResult) => void,
): Promise<boolean> {
  const result = { exitCode: container.state.exitCode };
  let clean = true;
  const step = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      clean = false;
      // What is left is found by the next start of the container or of the daemon.
      deps.settings.log("error", `clean-up after the exit of a container: ${what} failed`, {
        id: container.id,
        error: errorMessage(error),
      });
    }
  };
  const network = async (): Promise<void> => {
    await step("network", () => deps.networks.close(container.id, { caller: engineCaller }));
    fault("exit.after-network");
  };
  const { autoRemove } = container.plan;
  // Whoever waits for the end alone may use its ports as soon as he hears of it, and hears of it before the rest.
  const closing = network();
  if (!autoRemove) {
    await closing;
    wake(result);
  }
  await Promise.all([
    closing,
    step("runtime", () => deps.runtimes.get(container.plan.runtime).driver.delete(container.id)),
    step("root file system", () => closeRootfs(deps, container)),
  ]);
  fault("exit.after-unmount");
  publishVolumes(deps.events, container, "unmount", engineCaller);
  if (autoRemove) wake(result);
  return clean;
}

/** What the restart policy says of an exit. */
export function shouldRestart(container: Container, exitCode: number): boolean {
  if (container.state.stoppedByUser) return false;
  const { policy, maximumRetries } = container.plan.restart;
  switch (policy) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return exitCode !== 0 && (maximumRetries === 0 || container.state.restartCount < maximumRetries);
    case "no":
      return false;
  }
}

/** Starts the container again after the policy's delay. */
export function planRestart(deps: ContainerDeps, id: string): void {
  if (deps.records.find(id)?.state.status !== "restarting") return;
  deps.activity.planRestart(id, () => {
    if (deps.records.find(id)?.state.status !== "restarting") return;
    const wanted = ({ state }: Container): boolean => state.status === "restarting";
    startContainer(deps, id, { caller: engineCaller, byPolicy: true, wanted }).catch((error: unknown) => {
      deps.settings.log("warn", "restart policy: the start failed", { id, error: errorMessage(error) });
    });
  });
}
