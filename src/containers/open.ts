import type { Database } from "bun:sqlite";
import { KeyedLock } from "../base/keyed-lock.ts";
import { errorMessage } from "../base/errors.ts";
import type { Images } from "../images/images.ts";
import type { Volume } from "../volumes/volume.ts";
import { followVolume } from "./follow-volume.ts";
import type { MonitorEvent } from "../monitor/protocol.ts";
import { engineCaller } from "../spec/caller.ts";
import { Activity } from "./books/activity.ts";
import { attachContainer } from "./attach.ts";
import { commitContainer } from "./commit.ts";
import { ContainerTable } from "./books/container.sql.ts";
import type { Containers } from "./containers.ts";
import { createContainer } from "./create/create.ts";
import type { ContainerDeps } from "./deps.ts";
import { createExec, execExited, type ExecDeps, startExec } from "./exec/exec.ts";
import { Execs } from "./exec/execs.ts";
import { containerExited } from "./exits.ts";
import { publish } from "./events.ts";
import { HealthChecks } from "./health/health.ts";
import { readLogs } from "./logs.ts";
import { connectNetwork, disconnectNetwork } from "./network.ts";
import { pruneContainers } from "./remove/prune.ts";
import { Records } from "./books/records.ts";
import { removeContainer } from "./remove/remove.ts";
import { renameContainer } from "./rename.ts";
import { resizeContainer, resizeExec } from "./resize.ts";
import { restoreContainers } from "./restore.ts";
import { containerSize } from "./size.ts";
import { startContainer } from "./start/start.ts";
import { containerStats } from "./stats.ts";
import { pauseContainer, unpauseContainer } from "./stop/pause.ts";
import { restartContainer } from "./stop/restart.ts";
import { killContainer, stopContainer } from "./stop/stop.ts";
import { topContainer } from "./top.ts";
import { updateContainer } from "./update.ts";
import { waitContainer } from "./wait.ts";
import { Waiters } from "./books/waiters.ts";
import { HeldTrees } from "./archive/held-trees.ts";
import { runStep, StepExits, type StepRequest } from "./step/run-step.ts";
import { exportContainer, readFromContainer, statInContainer, writeToContainer } from "./archive/archive.ts";

/** What the daemon gives; the books (rows, locks, waiters) are made here. */
export type ContainersOptions = Omit<
  ContainerDeps,
  "records" | "locks" | "waiters" | "activity" | "trees" | "images"
> & {
  readonly db: Database;
  readonly images: Images;
};

/** The containers feature, and what only the daemon does with it. */
export interface OpenContainers extends Containers {
  /** Compares rows with the kernel, finishes or undoes what a crash cut, adopts what runs. Resolves when reads are right; restarts of policies go on behind it. */
  restore(): Promise<void>;
  /** Runs a process that is no container: a step of a build. */
  runStep(step: StepRequest): Promise<{ exitCode: number; oomKilled: boolean }>;
  /** Ends timers and probes; containers go on. */
  close(): Promise<void>;
  /** A volume has another name: rows that say the old one are written again. Synchronous, inside its transaction. */
  followVolume(from: string, volume: Volume): void;
}

/** Opens the containers of one data root. Call `restore` before the API answers. */
export function openContainers(options: ContainersOptions): OpenContainers {
  const records = new Records(new ContainerTable(options.db));
  const execs = new Execs(records);
  const deps: ExecDeps & { images: Images; stepExits: StepExits } = {
    ...options,
    records,
    execs,
    locks: new KeyedLock(),
    waiters: new Waiters(),
    activity: new Activity(),
    stepExits: new StepExits(),
    trees: new HeldTrees(),
  };
  const health = new HealthChecks(deps);
  const restored = Promise.withResolvers<void>();
  listen(deps, health, restored.promise);
  const started = async (ref: string, start: () => Promise<void>): Promise<void> => {
    await start();
    health.begin(records.get(ref).id);
  };
  return {
    create: (request, asked) => createContainer(deps, request, asked),
    get: (ref) => records.get(ref),
    list: () => records.list(),
    start: (ref, asked) => startContainer(deps, ref, asked),
    stop: (ref, asked) => stopContainer(deps, ref, asked),
    restart: (ref, asked) => restartContainer(deps, ref, asked),
    kill: (ref, asked) => killContainer(deps, ref, asked),
    pause: (ref, { caller }) => pauseContainer(deps, ref, caller),
    unpause: (ref, { caller }) => started(ref, () => unpauseContainer(deps, ref, caller)),
    rename: async (ref, name, { caller }) => renameContainer(deps, ref, name, caller),
    remove: (ref, asked) => removeContainer(deps, ref, asked),
    update: (ref, change, { caller }) => updateContainer(deps, ref, change, caller),
    wait: (ref, condition, signal) => waitContainer(deps, ref, condition, signal),
    resize: (ref, size) => resizeContainer(deps, ref, size),
    top: (ref, psArgs, { caller }) => topContainer(deps, ref, psArgs, caller),
    attach: (ref, asked) => attachContainer(deps, ref, asked),
    logs: (ref, query) => readLogs(deps, ref, query),
    stats: (ref) => containerStats(deps, ref),
    prune: (asked) => pruneContainers(deps, asked),
    size: (ref) => containerSize(deps, ref),
    execCreate: async (ref, request, { caller }) => createExec(deps, ref, request, caller),
    exec: (execId) => execs.get(execId),
    execStart: (execId, asked) => startExec(deps, execId, asked),
    execResize: (execId, size) => resizeExec(deps, execId, size),
    commit: (ref, asked) => commitContainer(deps, ref, asked),
    statPath: (ref, path) => statInContainer(deps, ref, path),
    readArchive: (ref, path, { caller }) => readFromContainer(deps, ref, path, caller),
    writeArchive: (ref, path, tar, asked) => writeToContainer(deps, ref, path, tar, asked),
    changes: (ref) => deps.snapshotter.changes(records.get(ref).id),
    export: (ref, { caller }) => exportContainer(deps, ref, caller),
    connectNetwork: (ref, network, settings, { caller }) => connectNetwork(deps, ref, network, settings, caller),
    disconnectNetwork: (ref, network, { caller, force }) => disconnectNetwork(deps, ref, network, { caller, force }),
    restore: async () => {
      await restoreContainers(deps, health);
      restored.resolve();
    },
    runStep: (step) => runStep(deps, step),
    close: async () => {
      health.close();
      execs.close();
      deps.activity.close();
    },
    followVolume: (from, volume) => followVolume(records, from, volume),
  };
}

/** Follows the monitor: exits and OOM kills. What it tells before the rows were compared waits for that. */
function listen(deps: ExecDeps & { stepExits: StepExits }, health: HealthChecks, restored: Promise<void>): void {
  const take = async (event: MonitorEvent): Promise<void> => {
    await restored;
    if (event.kind === "oom") {
      const container = deps.records.find(event.id);
      if (container) publish(deps.events, container, "oom", engineCaller);
    } else if (event.execId !== undefined) {
      execExited(deps, { ...event, execId: event.execId });
    } else if (!deps.stepExits.take(event)) {
      await containerExited(deps, event);
    }
  };
  deps.monitor.onEvent((event) => {
    if (event.kind === "exit" && event.execId === undefined) health.end(event.id);
    take(event).catch((error: unknown) =>
      deps.settings.log("error", "handling an event of the monitor failed", {
        id: event.id,
        kind: event.kind,
        error: errorMessage(error),
      }),
    );
  });
  deps.activity.onStarted((id) => health.begin(id));
  deps.activity.onGone((id) => {
    health.end(id);
    deps.execs.dropContainer(id);
  });
}
