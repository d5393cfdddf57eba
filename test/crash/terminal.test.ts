import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";
import { openTerminal } from "../harness/terminal.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const lines = async (c: string): Promise<number> => (await daemon.ok("logs", c)).split("\n").length;

describe.each(["daemon", "monitor", "both"] as const)("kill -9 of %s", (who) => {
  test("a container with a terminal runs on, can be attached to, resized and ended", async () => {
    const c = `tty-${who}`;
    const line =
      "trap 'echo hung up; exit 99' HUP; i=0; while [ ! -f /end ]; do echo tick $i; i=$((i+1)); sleep 0.02; done; exit 24";
    await daemon.ok("run", "-dit", "--name", c, "busybox", "sh", "-c", line);
    await until("it ticks", async () => (await lines(c)) > 3);
    // killed before the keeper has its copy, nothing could help: it has it within milliseconds of the start
    await until("the keeper runs", async () => (await keepers()).length === 1);
    const monitor = await daemon.monitorPid();
    if (who !== "monitor") process.kill(daemon.pid(), "SIGKILL");
    if (who !== "daemon") process.kill(monitor, "SIGKILL");
    if (who !== "monitor") {
      await daemon.kill();
      await daemon.start();
    }
    const before = await lines(c);
    await until("it ticks on", async () => (await lines(c)) > before + 5);
    {
      await using terminal = openTerminal(daemon, "docker", ["attach", c]);
      await terminal.expect("tick");
    }
    await daemon.ok("exec", c, "touch", "/end");
    await until("it ended", async () => (await daemon.ok("inspect", "-f", "{{.State.Status}}", c)) === "exited");
    expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", c)).toBe("24");
    expect(await daemon.ok("logs", c)).not.toContain("hung up");
    await daemon.ok("rm", c);
  }, 60_000);
});

test("the keeper keeps nothing when no terminal is left", async () => {
  const [keeper] = await keepers();
  const count = async (): Promise<number> =>
    (await Array.fromAsync(new Bun.Glob("*").scan({ cwd: `/proc/${keeper}/fd`, onlyFiles: false }))).length;
  const idle = await count();
  await daemon.ok("run", "-dit", "--name", "last", "busybox");
  await until("it is kept", async () => (await count()) === idle + 1);
  await daemon.ok("rm", "-f", "last");
  await until("it is let go", async () => (await count()) === idle);
});

async function keepers(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const words = (
      await Bun.file(`/proc/${pid}/cmdline`)
        .text()
        .catch(() => "")
    ).split("\0"); // it ended meanwhile
    if (words.includes("keeper") && words.includes(daemon.execRoot)) found.push(Number(pid));
  }
  return found;
}
