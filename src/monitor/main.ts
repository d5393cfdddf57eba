import { mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { tryLockFile } from "../kernel/descriptor.ts";
import { becomeSubreaper, nameProcess } from "../kernel/process/prctl.ts";
import { listenUnix, sendDescriptors } from "../kernel/socket.ts";
import { logDrivers } from "../logs/drivers.ts";
import { adopt } from "./adopt.ts";
import { attachServer } from "./attach.ts";
import { Control } from "./control.ts";
import { Exits } from "./exits.ts";
import { type ExitEvent, type HeldDescriptor, protocolVersion } from "./protocol.ts";
import { Reaper } from "./reaper.ts";
import { Tasks } from "./tasks.ts";
import { inheritedState, resume, upgrade } from "./upgrade.ts";

/** Without containers, exits to tell and a daemon it ends itself after this. */
const idleMs = 60_000;

/**
 * The monitor process: holds containers' stdio, writes their logs, learns of their ends. Goes on without a daemon.
 * Throws conflict when another one serves this exec root.
 */
export async function runMonitor(options: { execRoot: string }): Promise<void> {
  const folder = join(options.execRoot, "monitor");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const inherited = inheritedState();
  const lock = inherited?.lock ?? openSync(join(folder, "lock"), "a", 0o600);
  if (!tryLockFile(lock)) throw new EngineError("conflict", `another monitor serves ${options.execRoot}`);
  // signals meant for the daemon's group or session must not take the containers' output away
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
  // one container's trouble must not take the others' monitor down; its log says what happened
  process.on("uncaughtException", (error) => console.error("uncaught:", error));
  process.on("unhandledRejection", (error) => console.error("unhandled:", error));
  becomeSubreaper();
  nameProcess("berth-monitor");

  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const exits = new Exits(options.execRoot);
  const reaper = new Reaper();
  const tasks = new Tasks({ folder, exits, reaper, tell: (event) => control.tell(event) });
  const adoptPath = join(folder, "adopt.sock");
  rmSync(adoptPath, { force: true });
  const listener = listenUnix(adoptPath);

  let adopting: Promise<unknown> = Promise.resolve();
  const control: Control = new Control({
    hello: () => ({ version: protocolVersion, pid: process.pid, bootId }),
    list: () => ({ containers: listed(tasks), exits: finishedExits(tasks, exits) }),
    create: (args) => tasks.create(args),
    start: async ({ id, run }) => {
      await tasks.start(id, run);
      return {};
    },
    discard: async ({ id }) => {
      await tasks.discard(id);
      return {};
    },
    exec: (args) => tasks.exec(args),
    resize: ({ id, execId, rows, columns }) => {
      tasks.resize(id, execId, rows, columns);
      return {};
    },
    acknowledge: ({ id, run, execId }) => {
      exits.remove(id, run, execId);
      return {};
    },
    adopt: ({ containers }) => {
      // one after the other: two at once would both take the same containers
      const result = adopting.then(() => adopt(containers, { tasks, exits, reaper, listener }));
      adopting = result.catch(() => {});
      return result;
    },
    fds: ({ socket, id, execId }) => ({ sent: sendHeld(tasks, socket, { id, execId }) }),
    reaped: ({ pid, exitCode }) => {
      reaper.told(pid, exitCode);
      return {};
    },
    upgrade: ({ command }) => upgrade(command, { folder, tasks, reaper, lock }),
    shutdown: () => {
      if (!tasks.idle) throw new EngineError("conflict", "containers run under this monitor");
      setImmediate(() => process.exit(0));
      return {};
    },
  });
  if (inherited) await resume(inherited, tasks, reaper);
  await listen(
    attachServer((socket, request) => tasks.attach(socket, request)),
    join(folder, "attach.sock"),
  );
  await listen(control.server, join(folder, "control.sock"));

  // the first container shall not wait for it
  setImmediate(() => void logDrivers["json-file"]());

  let idleSince = Date.now();
  setInterval(() => {
    if (control.connected || !tasks.idle || exits.size > 0) idleSince = Date.now();
    else if (Date.now() - idleSince > idleMs) process.exit(0);
  }, idleMs / 4).unref();
}

function listed(tasks: Tasks) {
  const all = [...tasks.byKey.values()];
  const containers = all.filter((task) => task.execId === undefined);
  return containers.map((task) => ({
    id: task.id,
    run: task.run,
    started: task.started,
    ...task.process,
    execs: all.flatMap(({ id, execId, process }) =>
      id === task.id && execId !== undefined ? [{ execId, pid: process.pid }] : [],
    ),
  }));
}

/** Exits whose output is delivered; the others are told when it is. */
function finishedExits(tasks: Tasks, exits: Exits): ExitEvent[] {
  const open = new Set([...tasks.byKey.values()].map((task) => `${task.id}.${task.run}.${task.execId}`));
  return exits.all().filter((exit) => !open.has(`${exit.id}.${exit.run}.${exit.execId}`));
}

function sendHeld(tasks: Tasks, socket: string, only: { id: string | undefined; execId: string | undefined }): number {
  let sent = 0;
  for (const task of tasks.byKey.values()) {
    if (only.id !== undefined && (task.id !== only.id || task.execId !== only.execId)) continue;
    const fd = task.pty ?? (task.stdin?.closed ? undefined : task.stdin?.fd);
    if (fd === undefined) continue;
    const owner: HeldDescriptor = {
      id: task.id,
      ...(task.execId === undefined ? {} : { execId: task.execId }),
      what: task.pty === undefined ? "stdin" : "pty",
    };
    sendDescriptors(socket, JSON.stringify(owner), [fd]);
    sent++;
  }
  return sent;
}

function listen(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}
