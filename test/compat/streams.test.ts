import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { openTerminal } from "../harness/terminal.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);

  test("run -it gives a terminal with the window's size and its exit status", async () => {
    await using terminal = openTerminal(daemon, name, ["run", "--rm", "-it", "busybox", "sh"], {
      rows: 40,
      columns: 100,
    });
    await terminal.expect("# ");
    terminal.write("stty size; tty; echo TERM=$TERM\r");
    await terminal.expect("40 100");
    await terminal.expect("/dev/");
    await terminal.expect("TERM=xterm");
    terminal.resize(50, 120);
    await until("the new size is seen", async () => {
      terminal.write("stty size\r");
      return terminal.text().includes("50 120");
    });
    terminal.write("exit 9\r");
    expect(await terminal.exited()).toBe(9);
  });

  test("^C on the terminal reaches the program as a signal", async () => {
    await using terminal = openTerminal(daemon, name, [
      "run",
      "--rm",
      "-it",
      "busybox",
      "sh",
      "-c",
      "trap 'echo got it; exit 9' INT; echo ready; while :; do sleep 0.05; done",
    ]);
    await terminal.expect("ready");
    terminal.write("\x03");
    await terminal.expect("got it");
    expect(await terminal.exited()).toBe(9);
  });

  test("the detach keys leave the container running, and attach comes back to it", async () => {
    const c = `${name}-detach`;
    {
      await using terminal = openTerminal(daemon, name, ["run", "--name", c, "-it", "busybox", "sh"]);
      await terminal.expect("# ");
      terminal.write("\x10\x11");
      await terminal.exited();
    }
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", c)).toBe("true");
    {
      await using terminal = openTerminal(daemon, name, ["attach", "--detach-keys", "ctrl-x,d", c]);
      terminal.write("echo back-$((40+2))\r");
      await terminal.expect("back-42");
      terminal.write("\x18d");
      await terminal.exited();
    }
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", c)).toBe("true");
    await cli(["rm", "-f", c]);
  });

  test("exec -it has a terminal of its own", async () => {
    const c = `${name}-exec`;
    await cli(["run", "-d", "--name", c, "busybox", "sleep", "600"]);
    await using terminal = openTerminal(daemon, name, ["exec", "-it", c, "sh"], { rows: 33, columns: 77 });
    await terminal.expect("# ");
    await until("the size is seen", () => {
      terminal.write("stty size\r");
      return Bun.sleep(20).then(() => terminal.text().includes("33 77"));
    });
    terminal.write("exit 5\r");
    expect(await terminal.exited()).toBe(5);
    await cli(["rm", "-f", c]);
  });

  test("attach shows output to several clients, and passes signals on", async () => {
    const c = `${name}-many`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "busybox",
      "sh",
      "-c",
      "trap 'echo got it; exit 3' TERM; while :; do echo tick; sleep 0.05; done",
    ]);
    const clients = [1, 2, 3].map(() =>
      Bun.spawn(["sh", "-c", `exec docker attach --no-stdin ${c}`], {
        stdout: "pipe",
        env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
      }),
    );
    const outputs = clients.map((one) => new Response(one.stdout).text());
    await until(
      "they are attached",
      async () => (await eventsOf(daemon, `container=${c}`, "event=attach")).length >= 3,
    );
    await cli(["kill", "-s", "TERM", c]);
    for (const output of outputs) expect(await output).toContain("got it");
    expect(await daemon.ok("inspect", "-f", "{{.State.ExitCode}}", c)).toBe("3");
    await cli(["rm", c]);
  });

  test("100 MB go in and come out unchanged", async () => {
    const bytes = new Uint8Array(50_000_000).fill(97);
    const result = await cli(
      ["run", "--rm", "-i", "busybox", "sh", "-c", "md5sum | cut -d' ' -f1; cat /dev/zero | head -c 50000000"],
      { stdin: bytes },
    );
    expect(result.status).toBe(0);
    expect(result.stdout.slice(0, 32)).toBe(new Bun.CryptoHasher("md5").update(bytes).digest("hex"));
    expect(result.stdout.length).toBe(33 + 50_000_000);
  }, 60_000);
});

test("a client that does not read holds up its own container only, and the engine's memory stays bounded", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "loud",
    "busybox",
    "sh",
    "-c",
    "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
  );
  const stuck = Bun.spawn(["docker", "attach", "--no-stdin", "loud"], {
    stdout: "pipe",
    env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
  });
  const started = Date.now();
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "quick")).toBe("quick");
  expect(Date.now() - started).toBeLessThan(5000);
  const rss = async (pid: number): Promise<number> =>
    Number(/VmRSS:\s+(\d+)/.exec(await Bun.file(`/proc/${pid}/status`).text())?.[1]);
  expect(await rss(daemon.pid())).toBeLessThan(400_000);
  expect(await rss(await daemon.monitorPid())).toBeLessThan(200_000);
  stuck.kill("SIGKILL");
  await daemon.ok("rm", "-f", "loud");
});
