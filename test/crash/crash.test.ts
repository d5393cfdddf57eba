import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const state = (c: string): Promise<string> => daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", c);

/** Kills monitor, daemon or both, and starts the daemon again. */
async function crash(who: "daemon" | "monitor" | "both"): Promise<void> {
  const monitor = await daemon.monitorPid();
  if (who !== "daemon") process.kill(monitor, "SIGKILL");
  if (who !== "monitor") {
    await daemon.kill();
    await daemon.start();
  }
  await until("there is a monitor", async () => {
    const pid = await daemon.monitorPid().catch(() => 0);
    return pid > 0 && (who === "daemon" || pid !== monitor) && (await Bun.file(`/proc/${pid}/cmdline`).exists());
  });
}

describe.each(["daemon", "monitor", "both"] as const)("kill -9 of %s", (who) => {
  test("containers run on, with their output, exec and exit codes", async () => {
    const c = `runs-${who}`;
    await daemon.ok(
      "run",
      "-d",
      "--name",
      c,
      "-p",
      "80",
      "busybox",
      "sh",
      "-c",
      "i=0; while [ ! -f /end ]; do echo $i; i=$((i+1)); sleep 0.01; done; echo last; exit 33",
    );
    const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", c);
    await crash(who);
    expect(await daemon.ok("inspect", "-f", "{{.State.Pid}} {{.State.Running}}", c)).toBe(`${pid} true`);
    expect(await daemon.ok("exec", c, "echo", "in")).toBe("in");
    const before = (await daemon.ok("logs", c)).split("\n").length;
    await until("the log grows", async () => (await daemon.ok("logs", c)).split("\n").length > before + 5);
    await daemon.ok("exec", c, "touch", "/end");
    await until("it ended", async () => (await state(c)) === "exited 33");
    const lines = (await daemon.ok("logs", c)).split("\n");
    expect(lines.at(-1)).toBe("last");
    const numbers = lines.slice(0, -1).map(Number);
    // engine.md 3: at most the chunk that was read and not yet written is lost when the monitor dies; none is doubled.
    expect(new Set(numbers).size).toBe(numbers.length);
    expect((numbers.at(-1) ?? 0) + 1 - numbers.length).toBeLessThanOrEqual(who === "daemon" ? 0 : 2);
    await daemon.ok("rm", c);
  }, 60_000);

  test("100,000 lines of a fast writer come out in order", async () => {
    const c = `lines-${who}`;
    await daemon.ok(
      "run",
      "-d",
      "--name",
      c,
      "busybox",
      "sh",
      "-c",
      "i=0; while [ $i -lt 100000 ]; do echo $i; i=$((i+1)); done",
    );
    await crash(who);
    await until("it ended", async () => (await state(c)) === "exited 0", 60_000);
    const numbers = (await daemon.ok("logs", c)).split("\n").map(Number);
    expect(numbers.at(-1)).toBe(99_999);
    expect(numbers.every((value, at) => at === 0 || value > (numbers[at - 1] ?? -1))).toBe(true);
    // One chunk of 64 KiB is some 11,000 lines of this size.
    expect(100_000 - numbers.length).toBeLessThanOrEqual(who === "daemon" ? 0 : 12_000);
    await daemon.ok("rm", c);
  }, 120_000);

  test("a container that ended meanwhile has its exit code", async () => {
    const c = `ended-${who}`;
    await daemon.ok(
      "run",
      "-d",
      "--name",
      c,
      "busybox",
      "sh",
      "-c",
      "while [ ! -f /end ]; do sleep 0.01; done; exit 44",
    );
    const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", c);
    const monitor = await daemon.monitorPid();
    if (who !== "monitor") await daemon.kill();
    if (who !== "daemon") process.kill(monitor, "SIGKILL");
    await Bun.write(`/proc/${pid}/root/end`, "");
    if (who !== "monitor") {
      await until(
        "it ended",
        async () =>
          !(await Bun.file(`/proc/${pid}/cmdline`).exists()) || (await Bun.file(`/proc/${pid}/cmdline`).text()) === "",
      );
      await daemon.start();
    }
    await until("it is known", async () => (await state(c)).startsWith("exited"));
    // With both gone at once nobody held its pidfd: the code may be unknown, and then it is said.
    expect(["exited 44", ...(who === "both" ? ["exited 255"] : [])]).toContain(await state(c));
    await daemon.ok("rm", c);
  }, 60_000);
});

test.each(["image.load.after-blob", "image.load.after-row"])(
  "a crash at %s leaves an image that can be loaded again, or is there",
  async (point) => {
    const tar = `${daemon.folder}/saved.tar`;
    await daemon.ok("save", "-o", tar, "busybox");
    await daemon.ok("tag", "busybox", "kept");
    await daemon.ok("rmi", "busybox", "kept");
    await daemon.stop();
    await daemon.start({ BERTH_FAULT: `${point}=kill` });
    await daemon.docker(["load", "-i", tar]);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    await daemon.ok("load", "-i", tar);
    expect(await daemon.ok("run", "--rm", "busybox", "echo", "whole")).toBe("whole");
  },
  60_000,
);
