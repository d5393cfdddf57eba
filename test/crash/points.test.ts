import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { leftovers } from "../harness/leftovers.ts";
import { run, until } from "../harness/run.ts";
import { pidOf, type Scenario, scenarios, state, type Victim } from "./scenarios.ts";

// Each command is stopped (SIGSTOP) at each of its fault points, then daemon, monitor or both are killed there, and
// the next start must find all in order. The cases are shared out to several daemons, which run side by side.

const lanes = 3;
const behindMs = 2_000;
/** For work on one of them: those whose title has these words. */
const only = process.env["BERTH_POINTS"] ?? "";

interface Case {
  readonly title: string;
  readonly scenario: Scenario;
  readonly point: string;
  readonly victim: Victim;
  readonly outcome: PromiseWithResolvers<void>;
}

const cases: readonly Case[] = Object.entries(scenarios)
  .flatMap(([verb, scenario]) =>
    scenario.points.flatMap((point) =>
      (scenario.victims ?? (["daemon", "monitor", "both"] as const)).map((victim) => ({
        title: `kill -9 of ${victim} at ${point} of ${verb}`,
        scenario,
        point,
        victim,
        outcome: Promise.withResolvers<void>(),
      })),
    ),
  )
  .filter(({ title }) => title.includes(only));

let walking: Promise<void>[] = [];
beforeAll(() => {
  for (const { outcome } of cases) outcome.promise.catch(() => undefined); // told by its test
  const left = cases.entries();
  walking = Array.from({ length: lanes }, () =>
    lane(left).catch((error: unknown) => {
      for (const { outcome } of cases) outcome.reject(error); // those that have one keep it
      throw error;
    }),
  );
  for (const one of walking) one.catch(() => undefined); // told by the last test
});
afterAll(() => Promise.allSettled(walking).then(() => undefined), 120_000);

describe("at every fault point", () => {
  for (const { title, outcome } of cases) test(title, () => outcome.promise, 240_000);

  test("a container beside them loses nothing and ends as it should", async () => {
    for (const one of walking) await one;
  }, 120_000);
});

async function lane(left: IterableIterator<[number, Case]>): Promise<void> {
  const folder = await run(["mktemp", "-d", "/tmp/berth-fault-XXXXXX"]);
  const fault = join(folder.stdout.trim(), "fault");
  await using daemon = await startDaemon({ env: { BERTH_FAULT_FILE: fault } });
  await importBusybox(daemon);
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "beside",
    "busybox",
    "sh",
    "-c",
    "i=0; while [ ! -f /end ]; do echo $i; i=$((i+1)); sleep 0.02; done; exit 6",
  );
  const pid = await pidOf(daemon, "beside");
  let clean = JSON.stringify(await leftovers(daemon));
  let monitorKills = 0;
  for (const [number, one] of left) {
    try {
      await walk(daemon, { ...one, name: `cut${number}`, fault });
      if (one.victim !== "daemon") monitorKills++;
      await until("nothing is left over", async () => JSON.stringify(await leftovers(daemon)) === clean).catch(
        async () => {
          expect(await leftovers(daemon)).toEqual(JSON.parse(clean));
        },
      );
      expect(await runtimesOf(daemon)).toEqual([]);
      await until("what the dead had started is reaped", async () => (await zombies(daemon.pid())).length === 0);
      expect(await pidOf(daemon, "beside")).toBe(pid);
      one.outcome.resolve();
    } catch (error) {
      one.outcome.reject(error);
      // what it left behind must not spoil the next ones
      await run(["rm", "-f", fault]);
      await daemon.kill();
      await daemon.start();
      await daemon.docker(["rm", "-f", "-v", `cut${number}`]);
      clean = JSON.stringify(await leftovers(daemon));
    }
  }
  await daemon.docker(["exec", "beside", "touch", "/end"]); // which may go with it
  await until("it ended", async () => (await state(daemon, "beside")) === "exited 6");
  const numbers = (await daemon.ok("logs", "beside")).split("\n").map(Number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  // engine.md 3: a line that was read and not yet written may go with the monitor
  expect((numbers.at(-1) ?? 0) + 1 - numbers.length).toBeLessThanOrEqual(2 * monitorKills);
  await run(["rm", "-rf", folder.stdout.trim()]);
}

async function walk(daemon: TestDaemon, one: Case & { name: string; fault: string }): Promise<void> {
  const { scenario, point, victim, name, fault } = one;
  await scenario.before?.(daemon, name);
  const pidBefore = await pidOf(daemon, name).catch(() => ""); // create makes it
  await writeFile(fault, `${point}=stop`);
  const daemonPid = daemon.pid();
  const monitorPid = await daemon.monitorPid();
  const command = daemon.docker(scenario.verb(name), { timeoutMs: 30_000 });
  let endedMs = Number.POSITIVE_INFINITY;
  void command.then(() => (endedMs = Date.now()));
  const stopped = await until(`a process stops at ${point}`, async () => {
    if (await Bun.file(fault).exists()) {
      if (Date.now() - endedMs < behindMs) return false; // some steps are done behind the answer
      throw new Error(`the command ended without coming to ${point}: ${JSON.stringify(await command)}`);
    }
    for (const pid of [daemonPid, monitorPid]) if (await isStopped(pid)) return pid;
    return false;
  });
  if (victim !== "daemon") process.kill(monitorPid, "SIGKILL");
  if (victim !== "monitor") {
    await daemon.kill();
    if (victim === "daemon" && stopped === monitorPid) process.kill(monitorPid, "SIGCONT");
    await daemon.start();
  } else if (stopped === daemonPid) {
    process.kill(daemonPid, "SIGCONT");
  }
  const result = await command;
  if (victim !== "daemon")
    await until(
      "there is a monitor again",
      async () => ![0, monitorPid].includes(await daemon.monitorPid().catch(() => 0)),
    );
  await scenario.after(daemon, name, { victim, point, result, pidBefore });
  await daemon.docker(["rm", "-f", "-v", name]);
}

async function isStopped(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return /\) T /.test(text);
}

/** Ended children of a process that nobody has reaped. */
async function zombies(pid: number): Promise<string[]> {
  const { stdout } = await run(["ps", "-o", "pid=,stat=,comm=", "--ppid", String(pid)]);
  return stdout.split("\n").filter((line) => / Z/.test(line));
}

/** Programs of the runtime that still run for this engine. */
async function runtimesOf(daemon: TestDaemon): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (words[0]?.endsWith("crun") && words.some((word) => word.startsWith(daemon.execRoot)))
      found.push(words.join(" "));
  }
  return found;
}

describe("in the middle of a daemon's start", () => {
  test.each(["restore.after-adopt", "restore.after-networks"])(
    "a crash at %s costs nothing",
    async (point) => {
      await using daemon = await startDaemon();
      await importBusybox(daemon);
      await daemon.ok("run", "-d", "--name", "goes-on", "-p", "80", "busybox", "sleep", "600");
      await daemon.ok("create", "--name", "made", "busybox", "true");
      const pid = await pidOf(daemon, "goes-on");
      const clean = await leftovers(daemon);
      for (const withMonitor of [false, true]) {
        await daemon.kill();
        if (withMonitor) process.kill(await daemon.monitorPid(), "SIGKILL");
        await daemon.start({ BERTH_FAULT: `${point}=kill` }).catch(() => undefined);
        expect(await daemon.ended()).toBe("SIGKILL");
        await daemon.start();
        expect(await pidOf(daemon, "goes-on")).toBe(pid);
        expect(await daemon.ok("exec", "goes-on", "echo", "in")).toBe("in");
        await until(
          "nothing is left over",
          async () => JSON.stringify(await leftovers(daemon)) === JSON.stringify(clean),
        );
      }
      await daemon.ok("kill", "goes-on");
      expect(await daemon.ok("wait", "goes-on")).toBe("137");
    },
    60_000,
  );
});

test("every fault point in the sources is walked by a test", async () => {
  const root = join(import.meta.dir, "../..");
  const texts = async (glob: string, pick: (path: string) => boolean): Promise<string> => {
    const paths = (await Array.fromAsync(new Bun.Glob(glob).scan(root))).filter(pick);
    return (await Promise.all(paths.map((path) => readFile(join(root, path), "utf8")))).join("\n");
  };
  const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
  const source = await texts("src/**/*.ts", (path) => !isTest(path));
  const tests = (await texts("src/**/*.ts", isTest)) + (await texts("test/**/*.ts", isTest));
  const points = new Set([...source.matchAll(/\bfault\("([^"]+)"\)/g)].map(([, point]) => point ?? ""));
  expect(points.size).toBeGreaterThan(50);
  // whole, or behind the name of its area: tests of one area make a list of their own
  const walked = (point: string): boolean =>
    [point, `"${point.slice(point.indexOf(".") + 1)}"`].some((name) =>
      new RegExp(`${name.replaceAll(".", "\\.")}(?![\\w.-])`).test(tests),
    );
  expect([...points].filter((point) => !walked(point)).sort()).toEqual([]);
});
