import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { alive, Bench, busybox, collect, shell, sleeper, until } from "../../test/fixtures/monitored.ts";
import { connectMonitor } from "./client.ts";

const raw = { stdin: false, stdout: true, stderr: true, framing: "raw" } as const;
const bunLine = (bench: Bench): string[] => [
  process.execPath,
  new URL("../../test/fixtures/monitor-main.ts", import.meta.url).pathname,
  bench.root,
];

async function killMonitor(bench: Bench): Promise<void> {
  const { pid } = bench.monitor;
  process.kill(pid, "SIGKILL");
  await until(() => !alive(pid) && bench.monitor.pid !== pid, "a new monitor");
}

test("a killed monitor loses at most a chunk of a writing container's output, and its exit code is right", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = await bench.start(shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 23"));
  await until(() => bench.log(spec).length > 1000, "some output");
  await killMonitor(bench);
  expect(await bench.exited(spec.id)).toMatchObject({ exitCode: 23 });
  const lines = bench.lines(spec);
  expect(lines.at(-1)).toBe("line 19999\n");
  // a chunk is at most 64 KiB, some 6000 of these lines
  expect(lines.length).toBeGreaterThan(13_000);
  expect(new Set(lines).size).toBe(lines.length);
}, 20_000);

test("a terminal and an open stdin outlive the monitor", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const screen = await bench.start(shell("read a; echo got $a; exit 9"), { tty: true, openStdin: true });
  const pipe = await bench.start(shell("cat; exit 8"), { openStdin: true, stdinOnce: true });
  // copies of the descriptors travel beside the start
  await until(() => readdirSync("/proc/self/fd").length > 0 && bench.monitor.held >= 2, "copies of the descriptors");
  await killMonitor(bench);
  await until(() => bench.messages.length > 0, "a word about it");
  expect((await bench.monitor.list()).map(({ id }) => id).sort()).toEqual([screen.id, pipe.id].sort());
  const toScreen = await bench.monitor.stream({ ...raw, id: screen.id, stdin: true });
  const shown = collect(toScreen);
  toScreen.write("hello\n");
  expect(await shown.ended).toContain("got hello\r\n");
  const toPipe = await bench.monitor.stream({ ...raw, id: pipe.id, stdin: true });
  const echoed = collect(toPipe);
  toPipe.end("through\n");
  expect(await echoed.ended).toBe("through\n");
  expect((await bench.exited(screen.id)).exitCode).toBe(9);
  expect((await bench.exited(pipe.id)).exitCode).toBe(8);
}, 20_000);

test("an attached client stays attached over the monitor's death and its upgrade", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = bench.spec(shell("while read a; do echo got $a; done; exit 5"), { openStdin: true, stdinOnce: true });
  const stream = await bench.monitor.stream({ ...raw, id: spec.id, stdin: true });
  const output = collect(stream);
  await bench.monitor.create(spec);
  await bench.monitor.start(spec.id, 1);
  stream.write("one\n");
  await until(() => output.text().includes("got one"), "the first answer");
  await until(() => bench.monitor.held >= 1, "a copy of the stdin");
  await killMonitor(bench);
  await bench.monitor.list();
  await Bun.sleep(20);
  stream.write("two\n");
  await until(() => output.text().includes("got two"), "an answer after the death");
  await bench.monitor.upgrade(bunLine(bench));
  await Bun.sleep(20);
  stream.write("three\n");
  await until(() => output.text().includes("got three"), "an answer after the upgrade");
  stream.end();
  expect(await output.ended).toBe("got one\ngot two\ngot three\n");
  expect((await bench.exited(spec.id)).exitCode).toBe(5);
}, 20_000);

test("a joined process outlives the monitor with its exit code", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const container = await bench.start(sleeper);
  const exec = bench.execSpec(container, shell("sleep 0.5; exit 11"));
  await bench.monitor.exec(exec);
  await killMonitor(bench);
  expect(await bench.exited(container.id, exec.execId)).toMatchObject({ exitCode: 11 });
}, 20_000);

test("a container that ends while no monitor is there is told with its code and its last words", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = await bench.start(shell("echo before; sleep 0.03; echo last; exit 12"));
  process.kill(bench.monitor.pid, "SIGKILL");
  expect(await bench.exited(spec.id)).toMatchObject({ exitCode: 12 });
  expect(bench.lines(spec).at(-1)).toBe("last\n");
}, 20_000);

test("an exit that the monitor wrote down before it died is told by the next one", async () => {
  await using bench = new Bench("crun");
  await bench.connect({ BERTH_FAULT: "monitor.exit.after-record=kill" });
  const spec = await bench.start(shell("echo said; exit 13"));
  // its successor has the fault too, but nothing that ends
  expect(await bench.exited(spec.id)).toMatchObject({ exitCode: 13 });
}, 20_000);

for (const point of ["monitor.create.after-fifos", "monitor.create.after-runtime"]) {
  test(`a monitor that dies at ${point} fails the create and the next one works`, async () => {
    await using bench = new Bench("crun");
    await bench.connect({ BERTH_FAULT: `${point}=kill` });
    const spec = bench.spec(sleeper);
    expect(await bench.monitor.create(spec).catch((error: unknown) => error)).toMatchObject({ kind: "unavailable" });
    await bench.driver.delete(spec.id, { force: true });
    expect(await bench.monitor.list()).toEqual([]);
  }, 20_000);
}

test("the monitor goes on without a daemon, and the next daemon hears of what happened meanwhile", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const ends = await bench.start(shell("sleep 0.2; echo alone; exit 14"));
  const stays = await bench.start(sleeper);
  const { pid } = bench.monitor;
  await bench.monitor.close();
  await until(() => bench.log(ends).includes("alone"), "output without a daemon");
  await bench.connect();
  expect(bench.monitor.pid).toBe(pid);
  expect((await bench.exited(ends.id)).exitCode).toBe(14);
  expect((await bench.monitor.list()).map(({ id }) => id)).toEqual([stays.id]);
}, 20_000);

test("when daemon and monitor are both gone, the next ones adopt what runs and say what is gone", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const stays = bench.spec(shell("echo one; sleep 1; echo two; exit 15"));
  const dies = bench.spec(sleeper);
  const waits = bench.spec(shell("exit 19"));
  const waiting = await bench.monitor.create(waits);
  const identities = { stays: await bench.monitor.create(stays), dies: await bench.monitor.create(dies) };
  await bench.monitor.start(stays.id, 1);
  await bench.monitor.start(dies.id, 1);
  await until(() => bench.log(stays).includes("one"), "output");
  const { pid } = bench.monitor;
  await bench.monitor.close();
  process.kill(pid, "SIGKILL");
  await until(() => !alive(pid), "end of the monitor");
  process.kill(identities.dies.pid, "SIGKILL");
  await until(() => !alive(identities.dies.pid), "end of the container");
  const monitor = await connectMonitor({ execRoot: bench.root, spawn: () => bunLine(bench), log: () => {} });
  try {
    const result = await monitor.adopt([
      { ...stays, identity: identities.stays, started: true, execs: [] },
      { ...dies, identity: identities.dies, started: true, execs: [] },
      { ...waits, identity: waiting, started: true, execs: [] },
    ]);
    expect([...result.adopted].sort()).toEqual([stays.id, waits.id].sort());
    expect(result.gone).toMatchObject([{ id: dies.id }]);
    const listed = new Map((await monitor.list()).map(({ id, started }) => [id, started]));
    expect([listed.get(stays.id), listed.get(waits.id)]).toEqual([true, false]);
    await monitor.start(waits.id, 1);
    const exit = await new Promise((resolve) =>
      monitor.onEvent((event) => event.kind === "exit" && event.id === stays.id && resolve(event)),
    );
    expect(exit).toMatchObject({ exitCode: 15 });
    expect(bench.lines(stays)).toEqual(["one\n", "two\n"]);
  } finally {
    const last = monitor.pid;
    await monitor.close();
    process.kill(last, "SIGKILL");
  }
}, 20_000);

test("a monitor that replaces itself keeps its pid, its containers and every line", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const { pid } = bench.monitor;
  const spec = await bench.start(shell("i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i+1)); done; sleep 0.3; exit 16"));
  const screen = await bench.start(shell("read a; echo got $a; exit 17"), { tty: true, openStdin: true });
  const exec = bench.execSpec(screen, shell("sleep 0.5; exit 18"));
  await bench.monitor.exec(exec);
  await until(() => bench.log(spec).length > 1000, "some output");
  await bench.monitor.upgrade(bunLine(bench));
  expect(bench.monitor.pid).toBe(pid);
  expect((await bench.exited(spec.id)).exitCode).toBe(16);
  expect(bench.lines(spec).join("")).toBe(Array.from({ length: 5000 }, (_, line) => `${line}\n`).join(""));
  const stream = await bench.monitor.stream({ ...raw, id: screen.id, stdin: true });
  const shown = collect(stream);
  stream.write("again\n");
  expect(await shown.ended).toContain("got again\r\n");
  expect(await bench.exited(screen.id)).toMatchObject({ exitCode: 17 });
}, 20_000);

test("signals to the daemon's process group do not reach the monitor", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const { pid } = bench.monitor;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(pid, signal);
  const spec = await bench.start([busybox, "true"]);
  await bench.exited(spec.id);
  expect(alive(pid)).toBe(true);
  const session = (of: number): string =>
    /\) \S+ \d+ \d+ (\d+)/.exec(require("node:fs").readFileSync(`/proc/${of}/stat`, "utf8"))?.[1] ?? "";
  expect(session(pid)).toBe(String(pid));
}, 20_000);
