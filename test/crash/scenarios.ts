import type { TestDaemon } from "../harness/daemon.ts";
import { type Result, until } from "../harness/run.ts";

export type Victim = "daemon" | "monitor" | "both";

/** What is done while a process stands at a fault point, and what must be true after the next start. */
export interface Scenario {
  readonly points: readonly string[];
  /** Who may be killed; all three unless said. */
  readonly victims?: readonly Victim[];
  /** What has to be there before. */
  readonly before?: (daemon: TestDaemon, name: string) => Promise<unknown>;
  /** The command that comes to the point. */
  readonly verb: (name: string) => readonly string[];
  /** State and exit codes after the crash and the next start. What is left of the container is removed afterwards. */
  readonly after: (daemon: TestDaemon, name: string, seen: Seen) => Promise<void>;
}

export interface Seen {
  readonly victim: Victim;
  readonly point: string;
  /** How the command ended. */
  readonly result: Result;
  readonly pidBefore: string;
}

const waits = (code: number): string => `while [ ! -f /end ]; do sleep 0.02; done; exit ${code}`;
const create = (name: string, script: string, ...flags: string[]): string[] => [
  "create",
  "--name",
  name,
  "-p",
  "80",
  "-v",
  "/anonymous",
  ...flags,
  "busybox",
  "sh",
  "-c",
  script,
];

const run = async (daemon: TestDaemon, name: string, script: string): Promise<void> => {
  await daemon.ok(...create(name, script));
  await daemon.ok("start", name);
};

/** Runs one whose program has set its traps. */
const runTrapped = async (daemon: TestDaemon, name: string, trap: string): Promise<void> => {
  await run(daemon, name, `${trap}; echo ready; while :; do sleep 0.02; done`);
  await until("the trap is set", async () => (await daemon.ok("logs", name)).includes("ready"));
};

export const state = (daemon: TestDaemon, name: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name);

const becomes = (daemon: TestDaemon, name: string, wanted: string | RegExp): Promise<unknown> => {
  let last = "";
  return until(`${name} is ${String(wanted)}`, async () => {
    last = await state(daemon, name);
    return typeof wanted === "string" ? last === wanted : wanted.test(last);
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}, but ${last}`);
  });
};

const exists = async (daemon: TestDaemon, name: string): Promise<boolean> =>
  (await daemon.docker(["inspect", name])).status === 0;

/** Ends a container that waits for its file, and looks at its code. */
async function endsWith(daemon: TestDaemon, name: string, code: number): Promise<void> {
  // the container may end before this exec does, and takes it along then
  await daemon.docker(["exec", name, "touch", "/end"]);
  await becomes(daemon, name, `exited ${code}`);
}

function check(holds: boolean, what: string, seen: Seen): void {
  if (!holds)
    throw new Error(
      `${what}; the command ended with ${seen.result.status}: ${seen.result.stdout}${seen.result.stderr}`,
    );
}

/** With both gone at the moment of its end nobody held the process: then its code may be unknown, and that is said. */
const codeOr255 = (code: number, { victim }: Seen): RegExp =>
  victim === "both" ? new RegExp(`^exited (${code}|255)$`) : new RegExp(`^exited ${code}$`);

export const scenarios: Readonly<Record<string, Scenario>> = {
  create: {
    points: [
      "create.after-row",
      "create.after-snapshot",
      "create.after-volume",
      "snapshot.prepare.after-dirs",
      "volume.create.row",
      "volume.create.made",
    ],
    verb: (name) => create(name, "exit 3"),
    async after(daemon, name, seen) {
      const made = await exists(daemon, name);
      check(seen.victim !== "monitor" || seen.result.status === 0, "a create needs no monitor", seen);
      check(made || seen.result.status !== 0, "it was said to be made, and is not there", seen);
      if (!made) return;
      const started = await daemon.docker(["start", "-a", name]);
      check(started.status === 3, `what is there does not start: ${started.status} ${started.stderr}`, seen);
    },
  },
  start: {
    points: [
      "start.after-intent",
      "network.open.after-row",
      "network.open.after-netns",
      "network.open.after-attach",
      "network.open.after-publish",
      "network.open.before-plugs",
      "network.open.before-names",
      "start.after-network",
      "start.after-bundle",
      "monitor.create.after-fifos",
      "monitor.create.after-runtime",
      "start.after-create",
      "start.after-running",
      "monitor.start.after-release",
      "start.after-start",
    ],
    before: (daemon, name) => daemon.ok(...create(name, waits(7))),
    verb: (name) => ["start", name],
    async after(daemon, name, seen) {
      // somebody asked for it: the next daemon starts it. A start whose monitor died may fail, and says so.
      if (seen.victim !== "monitor" || seen.result.status === 0) await becomes(daemon, name, "running 0");
      else await daemon.ok("start", name);
      await endsWith(daemon, name, 7);
      check((await daemon.docker(["start", name])).status === 0, "it does not start again", seen);
    },
  },
  exec: {
    points: [
      "exec.after-begin",
      "exec.after-file",
      "monitor.exec.after-fifos",
      "monitor.exec.after-runtime",
      "exec.after-runtime",
      "exec.after-exit",
    ],
    before: (daemon, name) => run(daemon, name, waits(7)),
    verb: (name) => ["exec", name, "sh", "-c", "echo in; exit 5"],
    async after(daemon, name, seen) {
      check(seen.result.status !== 0, "an exec that exits with 5 must not look well", seen);
      check((await pidOf(daemon, name)) === seen.pidBefore, "the container did not go on", seen);
      const again = await daemon.docker(["exec", name, "sh", "-c", "echo in; exit 5"]);
      check(again.status === 5 && again.stdout === "in\n", `the next exec: ${again.status} ${again.stderr}`, seen);
      await endsWith(daemon, name, 7);
    },
  },
  "a burst of execs": {
    points: ["monitor.exec.after-fifos", "monitor.exec.after-runtime"],
    before: async (daemon, name) => {
      await run(daemon, name, waits(7));
      // the second makes it a burst, and the next one is got ready
      for (let times = 0; times < 3; times++) await daemon.ok("exec", name, "true");
    },
    verb: (name) => ["exec", name, "sh", "-c", "echo in; exit 5"],
    async after(daemon, name, seen) {
      check(seen.result.status !== 0, "an exec that exits with 5 must not look well", seen);
      const again = await daemon.docker(["exec", name, "sh", "-c", "echo in; exit 5"]);
      check(again.status === 5 && again.stdout === "in\n", `the next exec: ${again.status} ${again.stderr}`, seen);
      await endsWith(daemon, name, 7);
    },
  },
  stop: {
    points: ["stop.after-intent", "stop.after-signal"],
    before: (daemon, name) => runTrapped(daemon, name, "trap 'exit 9' TERM"),
    verb: (name) => ["stop", "-t", "10", name],
    async after(daemon, name, seen) {
      await daemon.ok("stop", name); // a stop that was cut is asked for again
      await becomes(daemon, name, seen.point === "stop.after-intent" ? "exited 9" : codeOr255(9, seen));
    },
  },
  "stop by force": {
    points: ["stop.after-grace", "stop.after-kill"],
    before: (daemon, name) => runTrapped(daemon, name, "trap '' TERM"),
    verb: (name) => ["stop", "-t", "0", name],
    async after(daemon, name, seen) {
      await daemon.ok("stop", "-t", "0", name);
      await becomes(daemon, name, seen.point === "stop.after-grace" ? "exited 137" : codeOr255(137, seen));
    },
  },
  restart: {
    points: ["restart.after-stop"],
    before: (daemon, name) => runTrapped(daemon, name, "trap 'exit 9' TERM"),
    verb: (name) => ["restart", "-t", "10", name],
    async after(daemon, name, seen) {
      if (seen.victim === "monitor" && seen.result.status === 0) await becomes(daemon, name, "running 0");
      else await becomes(daemon, name, /^(running 0|exited 9)$/);
    },
  },
  pause: {
    points: ["pause.after-freeze"],
    before: (daemon, name) => run(daemon, name, waits(7)),
    verb: (name) => ["pause", name],
    async after(daemon, name) {
      await becomes(daemon, name, "paused 0");
      await daemon.ok("unpause", name);
      await endsWith(daemon, name, 7);
    },
  },
  unpause: {
    points: ["unpause.after-thaw"],
    before: async (daemon, name) => {
      await run(daemon, name, waits(7));
      await daemon.ok("pause", name);
    },
    verb: (name) => ["unpause", name],
    async after(daemon, name) {
      await becomes(daemon, name, "running 0");
      await endsWith(daemon, name, 7);
    },
  },
  update: {
    points: ["update.after-row"],
    before: (daemon, name) => run(daemon, name, waits(7)),
    verb: (name) => ["update", "--pids-limit", "77", name],
    async after(daemon, name) {
      if ((await daemon.ok("inspect", "-f", "{{.HostConfig.PidsLimit}}", name)) !== "77")
        await daemon.ok("update", "--pids-limit", "77", name);
      const id = await daemon.ok("inspect", "-f", "{{.Id}}", name);
      const file = Bun.file(`/sys/fs/cgroup/pids/berth/${id}/pids.max`);
      await until("the kernel has the limit that the row has", async () => (await file.text()).trim() === "77");
      await endsWith(daemon, name, 7);
    },
  },
  "the end of a container": {
    points: [
      "monitor.exit.after-record",
      "monitor.exit.after-drain",
      "exit.after-state",
      "exit.after-network",
      "exit.after-unmount",
    ],
    before: (daemon, name) => daemon.ok(...create(name, "echo said; exit 3")),
    verb: (name) => ["start", "-a", name],
    async after(daemon, name, seen) {
      await becomes(daemon, name, "exited 3");
      // output that the monitor had not read when all who held the pipe died is gone (engine.md 3)
      const mayLack = seen.victim === "both" && seen.point === "monitor.exit.after-record";
      check(mayLack || (await daemon.ok("logs", name)) === "said", "its log is not whole", seen);
      const again = await daemon.docker(["start", "-a", name]);
      check(again.status === 3, `it does not start again: ${again.status} ${again.stderr}`, seen);
    },
  },
  "run --rm": {
    points: ["exit.after-state", "exit.after-network", "exit.after-unmount", "remove.after-unmount"],
    before: (daemon, name) => daemon.ok(...create(name, "exit 3", "--rm")),
    verb: (name) => ["start", "-a", name],
    after: (daemon, name) => until("it is removed", async () => !(await exists(daemon, name))).then(() => undefined),
  },
  remove: {
    points: ["remove.after-end", "remove.after-intent", "remove.after-unmount", "remove.after-snapshot"],
    before: (daemon, name) => run(daemon, name, waits(7)),
    verb: (name) => ["rm", "-f", "-v", name],
    async after(daemon, name, seen) {
      check(seen.victim !== "monitor" || seen.result.status === 0, "a removal needs no monitor", seen);
      if (seen.point !== "remove.after-end" || seen.victim === "monitor")
        await until("it is removed", async () => !(await exists(daemon, name)));
      else await becomes(daemon, name, "exited 137");
    },
  },
};

export const pidOf = (daemon: TestDaemon, name: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{.State.Pid}}", name);
