import { chmod, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import type { Sandbox } from "../networks/network.ts";
import { engineCaller } from "../spec/caller.ts";
import type { Container } from "./container.ts";
import type { ContainerDeps } from "./deps.ts";
import { containerExited, planRestart, settle } from "./exits.ts";
import type { HealthChecks } from "./health/health.ts";
import { finishRemoval } from "./remove/removal.ts";
import { removeBundle } from "./start/bundle.ts";
import { createProcess } from "./start/process.ts";
import { startContainer } from "./start/start.ts";
import { isLive, move } from "./books/state.ts";

/**
 * What a daemon does with its rows when it starts: processes that run are adopted, those that ended are told as exits,
 * namespaces and rules are compared, and what a crash cut is finished or undone. Resolves when reads are right; slow
 * work (removals, restarts of policies) goes on behind it.
 */
export async function restoreContainers(deps: ContainerDeps, health: HealthChecks): Promise<void> {
  const rows = deps.records.list();
  const live = rows.filter(({ state }) => isLive(state));
  const { adopted, gone } = await deps.monitor.adopt(
    live.map((container) => ({
      ...createProcess(deps, container),
      identity: { pid: container.state.pid, identity: container.state.pidIdentity },
      started: true,
      execs: [],
    })),
  );
  const running = new Set(adopted);
  await discardStrangers(deps, running);
  await deps.networks.restore(new Map(live.filter(({ id }) => running.has(id)).flatMap(({ id, state }): [string, Sandbox][] => (state.sandbox ? [[id, state.sandbox]] : []))));
  await letGo(deps, live);
  for (const container of live) health.begin(container.id);
  const rest = rows.filter(({ state }) => !isLive(state));
  for (const exit of gone) {
    if (exit.execId !== undefined) continue;
    containerExited(deps, exit).catch((error: unknown) => deps.settings.log("error", "handling the exit of a container failed", { id: exit.id, error: errorMessage(error) }));
  }
  finishLater(deps, rest);
}

/** Processes that the monitor has and no row says should run: a start that was cut before its row said running. */
async function discardStrangers(deps: ContainerDeps, running: ReadonlySet<string>): Promise<void> {
  for (const { id, run } of await deps.monitor.list()) {
    const row = deps.records.find(id);
    if (row && running.has(id) && row.state.run === run) continue;
    deps.settings.log("warn", "undoing a start that was cut", { id, run });
    await deps.monitor.discard(id);
  }
}

/** A row that says running whose process was made and never let go: a crash between the two. */
async function letGo(deps: ContainerDeps, live: readonly Container[]): Promise<void> {
  const cut = new Set((await deps.monitor.list()).filter(({ started }) => !started).map(({ id }) => id));
  for (const { id, state } of live) {
    if (state.starting) deps.records.setVolatile(id, { ...state, starting: false });
    if (cut.has(id)) await deps.monitor.start(id, state.run);
  }
}

function finishLater(deps: ContainerDeps, rest: readonly Container[]): void {
  const work = async (): Promise<void> => {
    await removeStrayBundles(deps);
    for (const container of rest) await finish(deps, container);
  };
  work().catch((error: unknown) => deps.settings.log("error", "finishing what the last daemon left failed", { error: errorMessage(error) }));
}

async function finish(deps: ContainerDeps, container: Container): Promise<void> {
  const { id, state } = container;
  try {
    if (state.status === "removing") {
      await finishRemoval(deps, container, { caller: engineCaller, force: false, volumes: container.plan.autoRemove });
      return;
    }
    // What the last run left, were it cut between its exit and its clean-up, or in mid-start.
    await deps.activity.settling(id, () => settle(deps, container));
    if (container.plan.autoRemove && state.status === "exited") {
      await finishRemoval(deps, deps.records.setState(id, move(state, "removing")), { caller: engineCaller, force: false, volumes: true });
    } else if (state.status === "restarting") planRestart(deps, id);
    else if (state.starting || startsWithDaemon(container)) await startContainer(deps, id, { caller: engineCaller, byPolicy: true });
  } catch (error) {
    deps.settings.log("error", "a container could not be brought to what its row says", { id, name: container.name, error: errorMessage(error) });
  }
}

/** What the restart policy says at a daemon's start (moby parity: `always` comes back even when a user stopped it). */
function startsWithDaemon({ plan, state }: Container): boolean {
  if (!state.hasRun || state.status !== "exited") return false;
  const { policy, maximumRetries } = plan.restart;
  switch (policy) {
    case "always":
      return true;
    case "unless-stopped":
      return !state.stoppedByUser;
    case "on-failure":
      return !state.stoppedByUser && state.exitCode !== 0 && (maximumRetries === 0 || state.restartCount < maximumRetries);
    case "no":
      return false;
  }
}

/** Bundles of containers that have no row: a removal was cut after its last step, or the data root is another. */
async function removeStrayBundles(deps: ContainerDeps): Promise<void> {
  const folder = join(deps.settings.execRoot, "c");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700); // made wider by an older engine
  for (const id of await readdir(folder)) {
    if (deps.records.find(id)) continue;
    const bundle = join(folder, id);
    await deps.runtimes.get("").driver.delete(id, { force: true });
    await deps.snapshotter.unmount(join(bundle, "rootfs"));
    await removeBundle(bundle);
  }
}
