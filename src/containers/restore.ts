import { chmod, mkdir, readdir } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import type { Sandbox } from "../networks/network.ts";
import { engineCaller } from "../spec/caller.ts";
import type { Container } from "./container.ts";
import { type ContainerDeps, lockTimeoutMs } from "./deps.ts";
import { cgroupsPath } from "./oci/cgroup.ts";
import { containerExited, planRestart, settle } from "./exits.ts";
import type { HealthChecks } from "./health/health.ts";
import { finishConnects } from "./network.ts";
import { finishRemoval } from "./remove/removal.ts";
import { removeBundle } from "./start/bundle.ts";
import { createProcess } from "./start/process.ts";
import { startContainer } from "./start/start.ts";
import { isLive, move } from "./books/state.ts";
import { applyResources } from "./update.ts";

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
      ...adoptable(deps, container),
      identity: { pid: container.state.pid, identity: container.state.pidIdentity },
      started: true,
      execs: [],
    })),
  );
  fault("restore.after-adopt");
  const running = new Set(adopted);
  await discardStrangers(deps, running);
  const changed = await deps.networks.restore(
    new Map(
      live
        .filter(({ id }) => running.has(id))
        .flatMap(({ id, state }): [string, Sandbox][] => (state.sandbox ? [[id, state.sandbox]] : [])),
    ),
  );
  for (const [id, sandbox] of changed) deps.records.setState(id, { ...deps.records.get(id).state, sandbox });
  fault("restore.after-networks");
  await letGo(deps, live);
  for (const { id } of live)
    finishConnects(deps, id).catch((error: unknown) =>
      deps.settings.log("error", "a network that was being connected is not", { id, error: errorMessage(error) }),
    );
  for (const { id } of live) freezerState(deps, id);
  for (const { id, state } of live) if (state.updating) applyLater(deps, id);
  for (const container of live) health.begin(container.id);
  const rest = rows.filter(({ state }) => !isLive(state));
  for (const exit of gone) {
    if (exit.execId !== undefined) continue;
    containerExited(deps, exit).catch((error: unknown) =>
      deps.settings.log("error", "handling the exit of a container failed", {
        id: exit.id,
        error: errorMessage(error),
      }),
    );
  }
  finishLater(deps, rest);
}

/** What the monitor needs; with the default runtime for a container whose own is no longer configured. */
function adoptable(deps: ContainerDeps, container: Container): ReturnType<typeof createProcess> {
  try {
    return createProcess(deps, container);
  } catch (error) {
    deps.settings.log("warn", "the runtime of a running container is not configured", {
      id: container.id,
      runtime: container.plan.runtime,
      error: errorMessage(error),
    });
    return createProcess({ ...deps, runtimes: { get: () => deps.runtimes.get("") } }, container);
  }
}

/** A runtime that hangs must not keep the API from answering. */
const discardTimeoutMs = 2_000;

/** Processes that the monitor has and no row says should run: a start that was cut before its row said running. */
async function discardStrangers(deps: ContainerDeps, running: ReadonlySet<string>): Promise<void> {
  const strangers = (await deps.monitor.list()).filter(
    ({ id, run }) => !running.has(id) || deps.records.find(id)?.state.run !== run,
  );
  const discards = strangers.map(async ({ id, run }) => {
    deps.settings.log("warn", "undoing a start that was cut", { id, run });
    await deps.monitor
      .discard(id)
      .catch((error: unknown) =>
        deps.settings.log("error", "a start that was cut could not be undone", { id, error: errorMessage(error) }),
      );
  });
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, discardTimeoutMs);
  await Promise.race([Promise.all(discards), late]);
  clearTimeout(timer);
}

/** A crash in mid-pause leaves a frozen container whose row says running, one in mid-unpause the other way round. */
function freezerState(deps: ContainerDeps, id: string): void {
  const container = deps.records.find(id);
  if (!container) return;
  const frozen = isFrozen(cgroupsPath(id, container.plan.cgroupParent));
  if (frozen === undefined || frozen === (container.state.status === "paused")) return;
  deps.records.setState(id, move(container.state, frozen ? "paused" : "running"));
}

/** undefined = no such cgroup, or it is on its way. */
function isFrozen(cgroup: string): boolean | undefined {
  for (const [file, frozen, thawed] of [
    [join("/sys/fs/cgroup/freezer", cgroup, "freezer.state"), "FROZEN", "THAWED"],
    [join("/sys/fs/cgroup", cgroup, "cgroup.freeze"), "1", "0"],
  ] as const) {
    try {
      const text = readFileSync(file, "utf8").trim();
      if (text === frozen) return true;
      if (text === thawed) return false;
    } catch {
      // the other cgroup version's file
    }
  }
  return undefined;
}

/** A row that says running whose process was made and never let go: a crash between the two. */
async function letGo(deps: ContainerDeps, live: readonly Container[]): Promise<void> {
  const cut = new Set((await deps.monitor.list()).filter(({ started }) => !started).map(({ id }) => id));
  for (const { id, state } of live) {
    if (state.starting) deps.records.setVolatile(id, { ...state, starting: false });
    if (cut.has(id)) await deps.monitor.start(id, state.run);
  }
}

/** Limits that were written down and may not have come to the kernel. */
function applyLater(deps: ContainerDeps, id: string): void {
  applyResources(deps, id).catch((error: unknown) =>
    deps.settings.log("error", "new limits of a container could not be applied", { id, error: errorMessage(error) }),
  );
}

/** How many containers are brought to their state at a time. */
const atATime = 8;

function finishLater(deps: ContainerDeps, rest: readonly Container[]): void {
  const work = async (): Promise<void> => {
    const folder = join(deps.settings.execRoot, "c");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700); // made wider by an older engine
    removeStrayBundles(deps, folder).catch(failed);
    // Oldest first, and those that join another's namespaces when the others had their turn.
    const oldestFirst = rest.toReversed();
    await inTurn(
      oldestFirst.filter((container) => !joinsAnother(container)),
      (container) => finish(deps, container),
    );
    await inTurn(oldestFirst.filter(joinsAnother), (container) => finish(deps, container));
  };
  const failed = (error: unknown): void =>
    deps.settings.log("error", "finishing what the last daemon left failed", { error: errorMessage(error) });
  work().catch(failed);
}

async function inTurn(containers: readonly Container[], work: (container: Container) => Promise<void>): Promise<void> {
  const left = [...containers];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

const joinsAnother = ({ plan }: Container): boolean =>
  plan.network.mode === "container" ||
  typeof plan.namespaces.pid === "object" ||
  typeof plan.namespaces.ipc === "object";

async function finish(deps: ContainerDeps, container: Container): Promise<void> {
  const { id, state } = container;
  try {
    if (!(await tidy(deps, container))) return;
    const wanted = ({ state: now }: Container): boolean => now.run === state.run && now.status === state.status;
    if (state.status === "restarting") planRestart(deps, id);
    else if (state.starting || startsWithDaemon(container))
      await startContainer(deps, id, { caller: engineCaller, byPolicy: true, wanted });
  } catch (error) {
    deps.settings.log("error", "a container could not be brought to what its row says", {
      id,
      name: container.name,
      error: errorMessage(error),
    });
  }
}

/**
 * Takes away what the last run left, were it cut between its exit and its clean-up, or in mid-start. False when there
 * is nothing more to do: the container is removed, or a user was faster and started it.
 */
async function tidy(deps: ContainerDeps, { id, state: seen }: Container): Promise<boolean> {
  using _lock = await deps.locks.acquire(id, { timeoutMs: lockTimeoutMs, what: `container ${id}` });
  const container = deps.records.find(id);
  if (!container || container.state.run !== seen.run || isLive(container.state)) return false;
  const { plan, paths, state } = container;
  if (state.starting) {
    await deps.monitor.discard(id);
    await deps.runtimes.get(plan.runtime).driver.undoCreate(id, paths.bundle);
    deps.records.setVolatile(id, { ...state, starting: false });
  }
  if (state.status === "removing" || (plan.autoRemove && state.status === "exited")) {
    // cut between its exit and its clean-up: the runtime and its cgroups still know it
    if (existsSync(paths.bundle)) await deps.runtimes.get(plan.runtime).driver.undoCreate(id, paths.bundle);
    const removing = state.status === "removing" ? container : deps.records.setState(id, move(state, "removing"));
    await finishRemoval(deps, removing, {
      caller: engineCaller,
      force: false,
      volumes: plan.autoRemove || state.removesVolumes === true,
    });
    return false;
  }
  // The bundle is the last that goes at the end of a run.
  if (state.starting || existsSync(paths.bundle))
    await deps.activity.settling(id, () => settle(deps, container, deps.waiters.ending(id)));
  return true;
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
      return (
        !state.stoppedByUser && state.exitCode !== 0 && (maximumRetries === 0 || state.restartCount < maximumRetries)
      );
    case "no":
      return false;
  }
}

/** Bundles of containers that have no row: a removal was cut after its last step, or the data root is another. */
async function removeStrayBundles(deps: ContainerDeps, folder: string): Promise<void> {
  for (const id of await readdir(folder)) {
    if (deps.records.find(id)) continue;
    const bundle = join(folder, id);
    try {
      await deps.runtimes.get("").driver.undoCreate(id, bundle);
      await deps.snapshotter.unmount(join(bundle, "rootfs"));
      await removeBundle(bundle);
    } catch (error) {
      deps.settings.log("warn", "what a container without a row left could not be removed", {
        id,
        error: errorMessage(error),
      });
    }
  }
}
