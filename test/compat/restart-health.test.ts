import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const show = (c: string, format: string): Promise<string> => daemon.ok("inspect", "-f", format, c);

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);

  test("--restart on-failure:2 starts it again twice and no more", async () => {
    const c = `${name}-twice`;
    await cli(["run", "-d", "--name", c, "--restart", "on-failure:2", "busybox", "sh", "-c", "echo run; exit 1"]);
    await until("it gave up", async () => (await show(c, "{{.State.Status}} {{.RestartCount}}")) === "exited 2");
    expect((await cli(["logs", c])).stdout).toBe("run\nrun\nrun\n");
    await cli(["rm", c]);
  });

  test("--restart always goes on until a user stops it", async () => {
    const c = `${name}-always`;
    await cli(["run", "-d", "--name", c, "--restart", "always", "busybox", "sh", "-c", "sleep 0.05"]);
    await until("it ran several times", async () => Number(await show(c, "{{.RestartCount}}")) >= 2);
    expect((await cli(["stop", c])).status).toBe(0);
    expect(await show(c, "{{.State.Status}}")).toBe("exited");
    await cli(["rm", c]);
  });

  test("update changes limits and the restart policy of a running container", async () => {
    const c = `${name}-update`;
    await cli(["run", "-d", "--name", c, "-m", "64m", "busybox", "sleep", "600"]);
    expect(
      (
        await cli([
          "update",
          "-m",
          "128m",
          "--memory-swap",
          "256m",
          "--pids-limit",
          "50",
          "--restart",
          "unless-stopped",
          c,
        ])
      ).stdout,
    ).toBe(`${c}\n`);
    expect(await show(c, "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}")).toBe(
      "134217728 50 unless-stopped",
    );
    const limit = await cli([
      "exec",
      c,
      "sh",
      "-c",
      "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max",
    ]);
    expect(limit.stdout).toBe("134217728\n");
    await cli(["rm", "-f", c]);
  });

  test("a health check turns healthy and unhealthy with what the probe says", async () => {
    const c = `${name}-health`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--health-cmd",
      "test -f /ok && echo fine",
      "--health-interval",
      "100ms",
      "--health-retries",
      "2",
      "--health-timeout",
      "5s",
      "busybox",
      "sleep",
      "600",
    ]);
    expect(await show(c, "{{.State.Health.Status}}")).toBe("starting");
    await until("unhealthy", async () => (await show(c, "{{.State.Health.Status}}")) === "unhealthy");
    await cli(["exec", c, "touch", "/ok"]);
    await until("healthy", async () => (await show(c, "{{.State.Health.Status}}")) === "healthy");
    expect(await show(c, "{{(index .State.Health.Log 0).ExitCode}}")).toMatch(/^[01]$/);
    expect((await cli(["ps", "-f", `name=${c}`, "-f", "health=healthy", "--format", "{{.Status}}"])).stdout).toContain(
      "(healthy)",
    );
    await cli(["rm", "-f", c]);
  });
});

test("--health-on-failure restarts, kills or stops an unhealthy container", async () => {
  const health = ["--health-cmd", "false", "--health-interval", "50ms", "--health-retries", "1"];
  await daemon.berth([
    "run",
    "-d",
    "--name",
    "sick-restart",
    ...health,
    "--health-on-failure",
    "restart",
    "busybox",
    "sleep",
    "600",
  ]);
  await daemon.berth([
    "run",
    "-d",
    "--name",
    "sick-kill",
    ...health,
    "--health-on-failure",
    "kill",
    "busybox",
    "sleep",
    "600",
  ]);
  await daemon.berth([
    "run",
    "-d",
    "--name",
    "sick-stop",
    ...health,
    "--health-on-failure",
    "stop",
    "--stop-signal",
    "KILL",
    "busybox",
    "sleep",
    "600",
  ]);
  await until("it was restarted", async () => Number(await show("sick-restart", "{{.RestartCount}}")) >= 1, 30_000);
  await until(
    "it was killed",
    async () => (await show("sick-kill", "{{.State.Status}} {{.State.ExitCode}}")) === "exited 137",
  );
  await until("it was stopped", async () => (await show("sick-stop", "{{.State.Status}}")) === "exited");
}, 60_000);

test("the restart policy and health checks go on after the daemon was away", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "policy",
    "--restart",
    "always",
    "busybox",
    "sh",
    "-c",
    "while [ ! -f /tmp/end ]; do sleep 0.05; done; rm /tmp/end",
  );
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "plain",
    "busybox",
    "sh",
    "-c",
    "while [ ! -f /tmp/end ]; do sleep 0.05; done; exit 7",
  );
  const pid = await show("policy", "{{.State.Pid}}");
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "probed",
    "--health-cmd",
    "true",
    "--health-interval",
    "100ms",
    "busybox",
    "sleep",
    "600",
  );
  const roots = await Promise.all(["policy", "plain"].map((c) => show(c, "{{.State.Pid}}")));
  await daemon.kill();
  for (const root of roots) await Bun.write(`/proc/${root}/root/tmp/end`, "");
  await until("both ended", async () =>
    (await Promise.all(roots.map((root) => Bun.file(`/proc/${root}/cmdline`).exists()))).every((there) => !there),
  );
  await daemon.start();
  await until("the policy acted", async () => (await show("policy", "{{.State.Status}}")) === "running");
  expect(await show("policy", "{{.State.Pid}}")).not.toBe(pid);
  expect(await show("plain", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 7");
  await until("probes go on", async () => (await show("probed", "{{.State.Health.Status}}")) === "healthy");
}, 60_000);
