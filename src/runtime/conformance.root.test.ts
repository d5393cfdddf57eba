import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bench, alive, shell, sleeper, until } from "../../test/fixtures/monitored.ts";
import type { RuntimeChoice, StandbyExec } from "./driver.ts";
import { openRuntime } from "./drivers.ts";
import { probeRuntime } from "./probe.ts";

const ignore = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;

/** What every runtime program does behind the driver. `other` knows crun by its command line alone. */
for (const kind of ["crun", "runc", "other"] as const) {
  describe(`runtime driver over ${kind}`, () => {
    const open = (bench: Bench) => {
      const choice: RuntimeChoice = { ...bench.runtime, family: kind };
      mkdirSync(choice.root, { recursive: true });
      return openRuntime(choice);
    };
    const newBench = (): Bench => new Bench(kind === "runc" ? "runc" : "crun");

    test("creates, starts, pauses, lists and kills", async () => {
      await using bench = newBench();
      const driver = open(bench);
      const { id, bundle } = bench.spec(shell("trap 'exit 3' TERM; sleep 600 & wait"));
      const pid = await driver.create({ id, bundle, stdio: ignore });
      expect(alive(pid)).toBe(true);
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("sleep 600 & wait");
      await driver.start(id);
      await until(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sleep 600 & wait"), "the program");
      await until(async () => (await driver.pids(id)).length === 2, "two processes");
      expect(await driver.pids(id)).toContain(pid);
      await driver.pause(id);
      await until(
        () =>
          readFileSync(`/proc/${pid}/wchan`, "utf8").includes("freez") ||
          readFileSync("/sys/fs/cgroup/freezer/berth-test/" + id + "/freezer.state", "utf8").includes("FROZEN"),
        "the freezer",
      );
      await driver.resume(id);
      await driver.kill(id, 15);
      await until(() => !alive(pid), "its end");
      await driver.delete(id);
      await driver.delete(id);
      expect(existsSync(join(driver.root, id))).toBe(false);
      for (const controller of readdirSync("/sys/fs/cgroup"))
        expect(existsSync(`/sys/fs/cgroup/${controller}/berth-test/${id}`)).toBe(false);
      expect(readdirSync(`${driver.root}-log`)).toEqual([]);
    });

    test("changes limits of what runs", async () => {
      await using bench = newBench();
      const driver = open(bench);
      const { id, bundle } = bench.spec(sleeper);
      await driver.create({ id, bundle, stdio: ignore });
      await driver.start(id);
      await driver.update(id, { pids: { limit: 77 } });
      expect(readFileSync(`/sys/fs/cgroup/pids/berth-test/${id}/pids.max`, "utf8").trim()).toBe("77");
      await driver.delete(id, { force: true });
    });

    test("refuses what cannot be, with the runtime's words", async () => {
      await using bench = newBench();
      const driver = open(bench);
      const spec = bench.spec(["no-such-program"]);
      expect(
        await driver.create({ id: spec.id, bundle: spec.bundle, stdio: ignore }).catch((error: unknown) => error),
      ).toMatchObject({ kind: "invalid", message: expect.stringContaining("not found") });
      expect(await driver.kill("nobody", 9).catch((error: unknown) => error)).toMatchObject({ kind: "not-found" });
      expect(await driver.pids("nobody")).toEqual([]);
      await driver.delete("nobody");
      await driver.delete("nobody", { force: true });
      const missing = openRuntime({ name: "x", path: "/nonexistent/runtime", args: [], root: driver.root });
      expect(
        await missing.create({ id: spec.id, bundle: spec.bundle, stdio: ignore }).catch((error: unknown) => error),
      ).toMatchObject({ message: expect.stringContaining("/nonexistent/runtime") });
    });

    test("an exec that was begun early runs what it is told later, in every limit of the container", async () => {
      await using bench = newBench();
      const driver = open(bench);
      const { id, bundle } = bench.spec(sleeper);
      const pid = await driver.create({ id, bundle, stdio: ignore });
      await driver.start(id);
      const out = openSync(join(bundle, "out"), "w");
      const begin = (): StandbyExec | undefined =>
        driver.standbyExec?.({ id, pidFile: join(bundle, "early"), stdio: { ...ignore, stdout: out } });
      const early = begin();
      const args = shell(
        `cat /proc/self/cgroup; readlink /proc/self/ns/pid; echo ${"x".repeat(30_000)}; exec sleep 600`,
      );
      const process = { terminal: false, user: { uid: 5, gid: 6 }, args, env: ["PATH=/bin"], cwd: "/" };
      const joined = await early?.run(JSON.stringify(process), {});
      if (joined === undefined) throw new Error("no early exec");
      await until(() => readFileSync(`/proc/${joined}/cmdline`, "utf8").startsWith("sleep"), "the program");
      expect(readFileSync(join(bundle, "out"), "utf8")).toContain(`${"x".repeat(30_000)}\n`);
      expect(readFileSync(`/proc/${joined}/status`, "utf8")).toContain("Uid:\t5\t5\t5\t5\n");
      expect(readlinkSync(`/proc/${joined}/ns/pid`)).toBe(readlinkSync(`/proc/${pid}/ns/pid`));
      expect(readFileSync(`/proc/${joined}/cgroup`, "utf8")).toBe(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
      // one that nobody needs, and one whose program is not there
      const unused = begin();
      unused?.drop();
      unused?.drop();
      expect(unused?.ready).toBe(false);
      const missing = await begin()
        ?.run(JSON.stringify({ ...process, args: ["nothing"] }), {})
        .catch((error: unknown) => error);
      expect(missing).toMatchObject({ kind: "invalid", message: expect.stringContaining("not found") });
      closeSync(out);
      await driver.delete(id, { force: true });
      await until(() => readdirSync(`${driver.root}-log`).length === 0, "no log is left");
      expect(existsSync(join(bundle, "early"))).toBe(false);
    });

    test("kills all processes of a container in the host's pid namespace", async () => {
      await using bench = newBench();
      const driver = open(bench);
      const spec = bench.spec(shell("sleep 601 & sleep 602 & wait"));
      const file = join(spec.bundle, "config.json");
      const config = JSON.parse(readFileSync(file, "utf8")) as { linux: { namespaces: { type: string }[] } };
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
      writeFileSync(file, JSON.stringify(config));
      await driver.create({ id: spec.id, bundle: spec.bundle, stdio: ignore });
      await driver.start(spec.id);
      const pids = await until(async () => {
        const found = await driver.pids(spec.id);
        return found.length === 3 && found;
      }, "three processes");
      await driver.kill(spec.id, 9, { all: true });
      await until(() => pids.every((pid) => !alive(pid)), "the end of all");
      await driver.delete(spec.id, { force: true });
    });
  });
}

test("crun leaves its compiled seccomp filter for the cache", async () => {
  await using bench = new Bench("crun");
  const driver = openRuntime(bench.runtime);
  const spec = bench.spec(sleeper);
  const file = join(spec.bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8")) as { linux: Record<string, unknown> };
  config.linux["seccomp"] = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["reboot"], action: "SCMP_ACT_ERRNO" }],
  };
  writeFileSync(file, JSON.stringify(config));
  await driver.create({ id: spec.id, bundle: spec.bundle, stdio: ignore });
  const filter = await driver.compiledSeccomp?.(spec.id);
  // struct sock_filter has 8 bytes
  expect(Buffer.from(filter ?? "", "base64").length % 8).toBe(0);
  expect(Buffer.from(filter ?? "", "base64").length).toBeGreaterThan(8);
  await driver.delete(spec.id, { force: true });
});

test("a probe tells family and version, and why a program cannot be used", async () => {
  expect(await probeRuntime(Bun.which("crun") ?? "")).toMatchObject({
    family: "crun",
    version: expect.stringMatching(/^\d+\.\d+/),
  });
  expect(await probeRuntime(Bun.which("runc") ?? "")).toMatchObject({ family: "runc", usable: true, reason: "" });
  expect(await probeRuntime("/nonexistent")).toMatchObject({
    usable: false,
    reason: expect.stringContaining("/nonexistent does not run"),
  });
  const folder = mkdtempSync(join(tmpdir(), "berth-probe-"));
  try {
    mkdirSync(join(folder, "unified"));
    writeFileSync(join(folder, "unified", "cgroup.controllers"), "hugetlb\n");
    const program = join(folder, "my-runtime");
    symlinkSync(Bun.which("crun") ?? "", program);
    expect(await probeRuntime(program, { cgroupRoot: folder })).toMatchObject({
      family: "crun",
      usable: false,
      reason: expect.stringContaining("hybrid cgroup host"),
    });
    writeFileSync(join(folder, "odd"), "#!/bin/sh\necho 'youki version 0.3'\n");
    chmodSync(join(folder, "odd"), 0o755);
    expect(await probeRuntime(join(folder, "odd"))).toMatchObject({ family: "other", version: "0.3", usable: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
