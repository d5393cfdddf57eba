import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Bench, busybox, collect, shell, sleeper, until } from "../../test/fixtures/monitored.ts";
import { EngineError } from "../base/errors.ts";

const raw = { stdin: false, stdout: true, stderr: true, framing: "raw" } as const;

for (const family of ["crun", "runc"] as const) {
  describe(`the monitor with ${family}`, () => {
    test("runs containers, tells their exit codes and logs their output", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const said = await bench.start(shell("echo out; echo err >&2; exit 7"));
      expect(await bench.exited(said.id)).toMatchObject({ exitCode: 7, run: 1, oomKilled: false });
      expect(bench.lines(said).sort()).toEqual(["err\n", "out\n"]);
      const killed = await bench.start(sleeper);
      await bench.driver.kill(killed.id, 9);
      expect((await bench.exited(killed.id)).exitCode).toBe(137);
      // the FIFOs of a run that ended are gone
      expect(readdirSync(said.bundle).filter((name) => /^\d$/.test(name))).toEqual([]);
    });

    test("loses nothing of 100,000 lines, nor of a burst right before the exit", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = await bench.start([busybox, "seq", "1", "100000"]);
      await bench.exited(spec.id);
      const lines = bench.lines(spec);
      expect(lines.length).toBe(100_000);
      expect(lines.at(-1)).toBe("100000\n");
      const burst = await bench.start(shell("head -c 60000 /dev/zero | tr '\\0' x; printf end"));
      await bench.exited(burst.id);
      expect(bench.lines(burst).join("").length).toBe(60_003);
    });

    test("attaches before the start and gives the first bytes, framed or raw, to every client", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = bench.spec(shell("echo first; echo second >&2"));
      const one = collect(await bench.monitor.stream({ ...raw, id: spec.id, framing: "multiplexed" }));
      const two = collect(await bench.monitor.stream({ ...raw, id: spec.id, stderr: false }));
      await bench.monitor.create(spec);
      await bench.monitor.start(spec.id, 1);
      expect(await two.ended).toBe("first\n");
      const framed = await one.ended;
      expect(framed).toContain("\x01\0\0\0\0\0\0\x06first\n");
      expect(framed).toContain("\x02\0\0\0\0\0\0\x07second\n");
    });

    test("a burst of execs, each with its own program, output and exit code, leaves nothing ready behind", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = await bench.start(sleeper);
      // nothing is got ready on a busy machine
      const busy = Number(/avg10=([\d.]+)/.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1]) > 30;
      const early = (): number => readdirSync(spec.bundle).filter((name) => name.startsWith("ready")).length;
      for (let number = 1; number <= 6; number++) {
        // the fourth has another shape: what was got ready is not for it
        const stdin = number === 4;
        const exec = bench.execSpec(spec, shell(`echo out ${number}; exit ${number}`), { stdin });
        const stream = collect(await bench.monitor.stream({ ...raw, id: spec.id, execId: exec.execId, stdin }));
        await bench.monitor.exec(exec);
        expect(await stream.ended).toBe(`out ${number}\n`);
        expect((await bench.exited(spec.id, exec.execId)).exitCode).toBe(number);
        if (number > 1 && number < 6 && !busy) await until(() => early() > 0, "the next one to be ready");
      }
      const { pid } = bench.monitor;
      if (!busy) await until(() => early() > 0, "one that nobody takes");
      await bench.driver.kill(spec.id, 9);
      await bench.exited(spec.id);
      await until(() => early() === 0, "nothing ready for a container that ended");
      const children = (): string => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
      await until(() => children().trim() === "", "no program that waits");
    });

    test("counts every byte of stdin up to the half-close", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = bench.spec([busybox, "wc", "-c"], { openStdin: true, stdinOnce: true });
      const stream = await bench.monitor.stream({ ...raw, id: spec.id, stdin: true });
      const output = collect(stream);
      stream.end(Buffer.alloc(3_000_000, "x"));
      await bench.monitor.create(spec);
      await bench.monitor.start(spec.id, 1);
      expect((await output.ended).trim()).toBe("3000000");
      expect((await bench.exited(spec.id)).exitCode).toBe(0);
    });

    test("gives a terminal its size before the program looks, and resizes it", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = bench.spec(shell("stty size; trap 'stty size; exit 4' WINCH; while :; do sleep 0.05; done"), {
        tty: true,
        openStdin: true,
        size: { rows: 40, columns: 100 },
      });
      const output = collect(await bench.monitor.stream({ ...raw, id: spec.id, stdin: true }));
      await bench.monitor.create(spec);
      await bench.monitor.start(spec.id, 1);
      await until(() => output.text().includes("40 100\r\n"), "the first size");
      await bench.monitor.resize(spec.id, undefined, { rows: 50, columns: 120 });
      expect(await output.ended).toBe("40 100\r\n50 120\r\n");
      expect((await bench.exited(spec.id)).exitCode).toBe(4);
    });

    test("joins processes with pipes and with a terminal, and tells their exit codes", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const container = await bench.start(sleeper);
      const piped = bench.execSpec(container, shell("cat; echo oops >&2; exit 5"), { stdin: true });
      const stream = await bench.monitor.stream({ ...raw, id: container.id, execId: piped.execId, stdin: true });
      const output = collect(stream);
      await bench.monitor.exec(piped);
      stream.end("input\n");
      expect(await output.ended).toBe("input\noops\n");
      expect(await bench.exited(container.id, piped.execId)).toMatchObject({ exitCode: 5 });
      const terminal = bench.execSpec(container, shell("test -t 1 && stty size; exit 6"), {
        tty: true,
        size: { rows: 33, columns: 77 },
      });
      const screen = collect(await bench.monitor.stream({ ...raw, id: container.id, execId: terminal.execId }));
      await bench.monitor.exec(terminal);
      expect((await bench.exited(container.id, terminal.execId)).exitCode).toBe(6);
      expect(await screen.ended).toContain("\r\n");
      const detached = bench.execSpec(container, shell("exit 8"), { stdout: false, stderr: false });
      await bench.monitor.exec(detached);
      expect((await bench.exited(container.id, detached.execId)).exitCode).toBe(8);
      await bench.driver.kill(container.id, 9);
      await bench.exited(container.id);
    });

    test("says what the runtime says when a command cannot run, and leaves nothing behind", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      for (const command of ["nonexistent", "/nonexistent"]) {
        const spec = bench.spec([command]);
        const error = await bench.monitor.create(spec).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(EngineError);
        expect(error).toMatchObject({ kind: "invalid" });
        expect(String(error)).toMatch(
          /failed to create task for container: failed to create shim task: OCI runtime create failed: .*(not found|no such file).*: unknown$/i,
        );
        expect(existsSync(`${bench.runtime.root}/${spec.id}`)).toBe(false);
        expect(readdirSync(spec.bundle).filter((name) => /^\d$/.test(name))).toEqual([]);
      }
      const container = await bench.start(sleeper);
      const exec = bench.execSpec(container, ["nonexistent"]);
      const failed = await bench.monitor.exec(exec).catch((thrown: unknown) => thrown);
      expect(String(failed)).toMatch(/OCI runtime exec failed: exec failed: .*not found.*: unknown$/);
    });

    test("discards a created container without telling of its end", async () => {
      await using bench = new Bench(family);
      await bench.connect();
      const spec = bench.spec(sleeper);
      await bench.monitor.create(spec);
      await bench.monitor.discard(spec.id);
      await bench.monitor.discard(spec.id);
      expect(await bench.monitor.list()).toEqual([]);
      expect(bench.exits).toEqual([]);
    });
  });
}

test("a terminal that its program closes and opens again goes on", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = bench.spec(shell("echo before; exec 0<&- 1>&- 2>&-; sleep 0.2; exec >/dev/console 2>&1; echo after"), {
    tty: true,
  });
  await bench.monitor.create(spec);
  await bench.monitor.start(spec.id, 1);
  await bench.exited(spec.id);
  expect(bench.lines(spec)).toEqual(["before\r\n", "after\r\n"]);
});

test("a process joined with a background child that keeps its output ends soon, and what it said is there", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const container = await bench.start(sleeper);
  const quiet = bench.execSpec(container, shell("sleep 600 & echo started"));
  const said = collect(await bench.monitor.stream({ ...raw, id: container.id, execId: quiet.execId }));
  await bench.monitor.exec(quiet);
  expect(await said.ended).toBe("started\n");
  await bench.exited(container.id, quiet.execId);
  const loud = bench.execSpec(container, shell("yes & exit 3"));
  await bench.monitor.exec(loud);
  expect((await bench.exited(container.id, loud.execId)).exitCode).toBe(3);
  await bench.driver.kill(container.id, 9);
  expect((await bench.exited(container.id)).exitCode).toBe(137);
}, 20_000);

test("several clients write to one stdin; without stdinOnce the end of one's input ends that client alone", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = bench.spec([busybox, "cat"], { openStdin: true });
  const [one, two] = [
    await bench.monitor.stream({ ...raw, id: spec.id, stdin: true }),
    await bench.monitor.stream({ ...raw, id: spec.id, stdin: true }),
  ];
  const [first, second] = [collect(one), collect(two)];
  await bench.monitor.create(spec);
  await bench.monitor.start(spec.id, 1);
  one.write("one\n");
  await until(() => second.text() === "one\n", "the first line at the second client");
  one.end();
  expect(await first.ended).toBe("one\n");
  two.write("two\n");
  await until(() => second.text() === "one\ntwo\n", "the second line");
  // a client without stdin may half-close and goes on listening
  const listener = await bench.monitor.stream({ ...raw, id: spec.id });
  const heard = collect(listener);
  listener.end();
  two.write("three\n");
  await until(() => heard.text() === "three\n", "a line after the half-close");
  await bench.driver.kill(spec.id, 9);
  await bench.exited(spec.id);
  expect(await second.ended).toBe("one\ntwo\nthree\n");
});

test("a program can open its output again by its path", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const spec = await bench.start(shell("echo direct; echo again > /proc/self/fd/1"));
  await bench.exited(spec.id);
  expect(bench.lines(spec).sort()).toEqual(["again\n", "direct\n"]);
});

test("a container killed for want of memory says so, another one does not", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const events: string[] = [];
  bench.monitor.onEvent((event) => events.push(event.kind));
  const spec = bench.spec(shell("a=$(head -c 90000000 /dev/zero | tr '\\0' x); echo survived"));
  const file = `${spec.bundle}/config.json`;
  const config = (await Bun.file(file).json()) as { linux: Record<string, unknown> };
  config.linux["resources"] = { memory: { limit: 16_000_000, swap: 16_000_000 } };
  await Bun.write(file, JSON.stringify(config));
  await bench.monitor.create(spec);
  await bench.monitor.start(spec.id, 1);
  expect(await bench.exited(spec.id)).toMatchObject({ exitCode: 137, oomKilled: true });
  expect(events).toEqual(["oom", "exit"]);
});

test("a container that loses a process for want of memory is told of while it lives, once for each time", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const events: string[] = [];
  bench.monitor.onEvent((event) => events.push(event.kind));
  const eat = "head -c 90000000 /dev/zero | tail";
  const spec = bench.spec(shell(`(${eat}); echo one; read line; (${eat}); echo two; read line; exit 4`), {
    openStdin: true,
  });
  const file = `${spec.bundle}/config.json`;
  const config = (await Bun.file(file).json()) as { linux: Record<string, unknown> };
  config.linux["resources"] = { memory: { limit: 16_000_000, swap: 16_000_000 } };
  await Bun.write(file, JSON.stringify(config));
  await bench.monitor.create(spec);
  await bench.monitor.start(spec.id, 1);
  await until(() => events.length === 1 && bench.lines(spec).includes("one\n"), "the first");
  // the monitor that comes after it knows what was told, and goes on
  process.kill(bench.monitor.pid, "SIGKILL");
  const stream = await until(
    () => bench.monitor.stream({ ...raw, id: spec.id, stdin: true }).catch(() => undefined),
    "a new monitor",
  );
  await until(async () => (await bench.monitor.list()).length === 1, "its adoption");
  stream.write("\n");
  await until(() => events.length === 2 && bench.lines(spec).includes("two\n"), "the second");
  stream.write("\n");
  expect(await bench.exited(spec.id)).toMatchObject({ exitCode: 4, oomKilled: true });
  expect(events).toEqual(["oom", "oom", "exit"]);
});

test("a client that does not read holds up its own container alone, in bounded memory", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const flood = bench.spec([busybox, "yes", "0123456789".repeat(10)], {
    log: { ...bench.spec([]).log, driver: "none" },
  });
  const stuck = await bench.monitor.stream({ ...raw, id: flood.id });
  await bench.monitor.create(flood);
  await bench.monitor.start(flood.id, 1);
  // it sleeps in a write to its full pipe: the client's lag has reached it
  const pid = (await bench.monitor.list())[0]?.pid ?? 0;
  await until(() => readFileSync(`/proc/${pid}/wchan`, "utf8").includes("pipe_write"), "the flood to stand still");
  const other = await bench.start([busybox, "seq", "1", "50000"]);
  await bench.exited(other.id);
  expect(bench.lines(other).length).toBe(50_000);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(await Bun.file(`/proc/${bench.monitor.pid}/status`).text())?.[1]);
  expect(rss).toBeLessThan(150_000);
  // the exit of the flooding container is told although its client never read
  await bench.driver.kill(flood.id, 9);
  expect((await bench.exited(flood.id)).exitCode).toBe(137);
  stuck.destroy();
});

test("a hundred runs leave no descriptor, no file and no process behind", async () => {
  await using bench = new Bench("crun");
  await bench.connect();
  const fds = (): number => readdirSync(`/proc/${bench.monitor.pid}/fd`).length;
  const run = async (): Promise<void> => {
    const spec = bench.spec([busybox, "true"]);
    const output = collect(await bench.monitor.stream({ ...raw, id: spec.id }));
    await bench.monitor.create(spec);
    await bench.monitor.start(spec.id, 1);
    const exit = await bench.exited(spec.id);
    await output.ended;
    await bench.monitor.acknowledge(exit.id, exit.run);
    await bench.driver.delete(spec.id);
  };
  await run();
  const before = await until(() => fds(), "descriptors");
  for (let round = 0; round < 25; round++) await Promise.all([run(), run(), run(), run()]);
  await until(() => fds() <= before, "as few descriptors as before");
  expect(readdirSync(`${bench.root}/monitor/exits`)).toEqual([]);
  expect(readdirSync(`${bench.root}/runtime-log`)).toEqual([]);
  expect(await bench.monitor.list()).toEqual([]);
}, 30_000);
