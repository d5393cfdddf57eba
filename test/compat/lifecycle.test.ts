import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const status = (name: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name);

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const n = (word: string): string => `${name}-${word}`;

  test("run gives the output and the exit status of the program", async () => {
    const result = await cli(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toEqual({ status: 7, stdout: "out\n", stderr: "err\n" });
  });

  test("run ends with 127 for a program that is not there, 126 for one that may not run, 125 for an unknown image", async () => {
    const missing = await cli(["run", "--rm", "busybox", "/nope"]);
    expect(missing.status).toBe(127);
    expect(missing.stderr).toContain("no such file or directory");
    expect((await cli(["run", "--rm", "busybox", "nope"])).status).toBe(127);
    expect((await cli(["run", "--rm", "busybox", "/etc/passwd"])).status).toBe(126);
    const image = await cli(["run", "--rm", "nosuchimage"]);
    expect(image.status).toBe(125);
    expect(image.stderr).toContain("Unable to find image 'nosuchimage:latest' locally");
    expect(await daemon.ok("ps", "-aq")).toBe("");
  });

  test("run --rm of a program that a signal ended gives 128+n and leaves nothing", async () => {
    const running = cli(["run", "--rm", "--name", n("signalled"), "busybox", "sleep", "600"]);
    await until("it runs", async () => (await daemon.docker(["kill", n("signalled")])).status === 0);
    expect((await running).status).toBe(137);
    expect(await daemon.ok("ps", "-aq")).toBe("");
  });

  test("create, start, pause, unpause, stop, rm walk through the states", async () => {
    const c = n("walk");
    const created = await cli(["create", "--name", c, "busybox", "sleep", "600"]);
    expect(created.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(await status(c)).toBe("created 0");
    expect((await cli(["start", c])).stdout).toBe(`${c}\n`);
    expect(await status(c)).toBe("running 0");
    expect((await cli(["pause", c])).stdout).toBe(`${c}\n`);
    expect(await status(c)).toBe("paused 0");
    expect((await cli(["ps", "--format", "{{.Status}}", "-f", `name=${c}`])).stdout).toMatch(/^Up .*\(Paused\)\n$/);
    await cli(["unpause", c]);
    expect(await status(c)).toBe("running 0");
    expect((await cli(["stop", "-t", "0", c])).stdout).toBe(`${c}\n`);
    expect(await status(c)).toBe("exited 137");
    expect((await cli(["rm", c])).stdout).toBe(`${c}\n`);
    expect((await cli(["inspect", c])).status).toBe(1);
  });

  test("stop sends the stop signal first, and kill sends what it is told", async () => {
    const c = n("trap");
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "--stop-signal",
      "USR1",
      "busybox",
      "sh",
      "-c",
      "trap 'exit 5' USR1; trap 'exit 6' USR2; echo ready; while :; do sleep 0.05; done",
    ]);
    const ready = (times: number) =>
      until("it listens to signals", async () => (await cli(["logs", c])).stdout === "ready\n".repeat(times));
    await ready(1);
    await cli(["stop", c]);
    expect(await status(c)).toBe("exited 5");
    await cli(["start", c]);
    await ready(2);
    await cli(["kill", "-s", "SIGUSR2", c]);
    await until("it ends", async () => (await status(c)).startsWith("exited"));
    expect(await status(c)).toBe("exited 6");
    const again = await cli(["kill", c]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("is not running");
    await cli(["rm", c]);
  });

  test("restart gives a new process, wait gives the exit code, rename keeps the id", async () => {
    const c = n("again");
    await cli(["run", "-d", "--name", c, "busybox", "sleep", "600"]);
    const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", c);
    await cli(["restart", "-t", "0", c]);
    expect(await daemon.ok("inspect", "-f", "{{.State.Pid}}", c)).not.toBe(pid);
    const id = await daemon.ok("inspect", "-f", "{{.Id}}", c);
    expect((await cli(["rename", c, `${c}2`])).status).toBe(0);
    expect(await daemon.ok("inspect", "-f", "{{.Id}}", `${c}2`)).toBe(id);
    const waiting = cli(["wait", `${c}2`]);
    await cli(["kill", "-s", "9", `${c}2`]);
    expect((await waiting).stdout).toBe("137\n");
    await cli(["rm", `${c}2`]);
  });

  test("rm refuses a running container with Docker's text, and rm -f takes it", async () => {
    const c = n("busy");
    await cli(["run", "-d", "--name", c, "busybox", "sleep", "600"]);
    const refused = await cli(["rm", c]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      `cannot remove container "${c}": container is running: stop the container before removing or force remove`,
    );
    expect((await cli(["rm", "-f", c])).status).toBe(0);
  });

  test("a name in use is refused and names its holder", async () => {
    const c = n("taken");
    const first = await cli(["create", "--name", c, "busybox", "true"]);
    const second = await cli(["create", "--name", c, "busybox", "true"]);
    expect(second.status).toBe(name === "docker" ? 1 : second.status);
    expect(second.stderr).toContain(
      `Conflict. The container name "/${c}" is already in use by container "${first.stdout.trim()}"`,
    );
    await cli(["rm", c]);
  });

  test("ps shows names, commands, states and filters", async () => {
    const c = n("listed");
    await cli(["run", "-d", "--name", c, "--label", "tier=web", "busybox", "sleep", "600"]);
    await cli(["create", "--name", n("idle"), "--label", "tier=db", "busybox", "true"]);
    expect(
      (await cli(["ps", "--format", "{{.Names}} {{.Image}} {{.Command}} {{.State}}", "-f", `name=${name}-`])).stdout,
    ).toBe(`${c} busybox "sleep 600" running\n`);
    expect(
      (await cli(["ps", "-a", "--format", "{{.Names}}", "-f", "label=tier=db", "-f", `name=${name}-`])).stdout,
    ).toBe(`${n("idle")}\n`);
    expect((await cli(["ps", "-aq", "-f", "status=created", "-f", `name=${name}-`])).stdout.trim().length).toBe(12);
    expect((await cli(["ps"])).stdout).toMatch(/^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n/);
    const bad = await cli(["ps", "-f", "bogus=1"]);
    expect(bad.stderr).toContain("invalid filter 'bogus'");
    await cli(["rm", "-f", c, n("idle")]);
  });

  test("top, stats and inspect show a running container", async () => {
    const c = n("seen");
    await cli(["run", "-d", "--name", c, "-m", "64m", "busybox", "sleep", "600"]);
    await until("its program runs", async () => (await cli(["top", c])).stdout.includes("sleep 600"));
    const stats = await cli(["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}", c]);
    expect(stats.stdout).toMatch(new RegExp(`^${c} .*/ 64MiB 1\\n$`));
    const [found] = JSON.parse((await cli(["inspect", c])).stdout) as [
      { Name: string; State: { Running: boolean; Pid: number } },
    ];
    expect(found.Name).toBe(`/${c}`);
    expect(found.State.Running).toBe(true);
    await cli(["rm", "-f", c]);
  });

  test("start -a and run -i pass standard input and its end", async () => {
    const counted = await cli(["run", "--rm", "-i", "busybox", "wc", "-c"], { stdin: "x".repeat(300_000) });
    expect(counted).toEqual({ status: 0, stdout: "300000\n", stderr: "" });
    const c = n("started");
    await cli(["create", "--name", c, "busybox", "sh", "-c", "echo hello; exit 3"]);
    expect(await cli(["start", "-a", c])).toEqual({ status: 3, stdout: "hello\n", stderr: "" });
    await cli(["rm", c]);
  });

  test("exec gives output, exit status, environment, user and folder", async () => {
    const c = n("exec");
    await cli(["run", "-d", "--name", c, "busybox", "sleep", "600"]);
    expect(
      await cli(["exec", "-e", "A=b", "-w", "/tmp", "-u", "33", c, "sh", "-c", "echo $A $(pwd) $(id -u); exit 4"]),
    ).toEqual({ status: 4, stdout: "b /tmp 33\n", stderr: "" });
    expect((await cli(["exec", "-i", c, "wc", "-c"], { stdin: "12345" })).stdout).toBe("5\n");
    const missing = await cli(["exec", c, "/nope"]);
    expect(missing.status).toBe(127);
    await cli(["rm", "-f", c]);
    expect((await cli(["exec", c, "true"])).stderr).toContain(`No such container: ${c}`);
  });
});

test("events tell the life of a container in Docker's order", async () => {
  await daemon.ok("run", "--rm", "--name", "told", "busybox", "true");
  const lines = await eventsOf(daemon, "container=told");
  expect(lines.filter((line) => line !== "resize")).toEqual(["create", "attach", "start", "die", "destroy"]);
});
