import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";
import { openTerminal } from "../harness/terminal.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-f-");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe.each(clientNames)("%s run", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const sh = async (flags: string[], line: string): Promise<string> => {
    const result = await cli(["run", "--rm", ...flags, "busybox", "sh", "-c", line]);
    return result.status === 0 ? result.stdout.trimEnd() : `status ${result.status}: ${result.stderr}${result.stdout}`;
  };
  test("--log-opt labels, env and tag go with the lines, and bad options are refused", async () => {
    const c = `${name}-details`;
    await cli([
      "run",
      "--name",
      c,
      "--label",
      "tier=web",
      "-e",
      "STAGE=test",
      "--log-opt",
      "labels=tier",
      "--log-opt",
      "env=STAGE",
      "--log-opt",
      "max-size=1m",
      "--log-opt",
      "max-file=2",
      "busybox",
      "echo",
      "line",
    ]);
    expect((await cli(["logs", "--details", c])).stdout).toBe("STAGE=test,tier=web line\n");
    await cli(["rm", c]);
    for (const [option, text] of [
      ["bogus=1", "unknown log opt 'bogus' for json-file log driver"],
      ["max-size=x", "invalid size: 'x'"],
    ] as const) {
      expect((await cli(["run", "--rm", "--log-opt", option, "busybox", "true"])).stderr).toContain(text);
    }
    expect((await cli(["logs", c])).stderr).toContain(`No such container: ${c}`);
  });

  test("the log drivers local and none keep what they should", async () => {
    const c = `${name}-driver`;
    await cli(["run", "--name", c, "--log-driver", "local", "busybox", "sh", "-c", "echo out; echo err >&2"]);
    expect(await cli(["logs", c])).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
    await cli(["rm", c]);
    expect((await cli(["run", "--name", c, "--log-driver", "none", "busybox", "echo", "shown"])).stdout).toBe(
      "shown\n",
    );
    expect((await cli(["logs", c])).stderr).toContain("configured logging driver does not support reading");
    await cli(["rm", c]);
  });

  test("--mac-address, and --ip on the default network is refused", async () => {
    expect(await sh(["--mac-address", "02:42:aa:bb:cc:dd"], "cat /sys/class/net/eth0/address")).toBe(
      "02:42:aa:bb:cc:dd",
    );
    expect((await cli(["run", "--rm", "--ip", "172.17.0.99", "busybox", "true"])).stderr).toContain(
      "user-specified IP address is supported on user-defined networks only",
    );
    expect((await cli(["run", "--rm", "--mac-address", "bogus", "busybox", "true"])).status).toBe(125);
  });

  test("--network host has the host's names, and what --add-host adds", async () => {
    const hosts = (await readFile("/etc/hosts", "utf8")).replace(/\n*$/, "");
    expect(await sh(["--network", "host", "--add-host", "db:10.1.2.3"], "cat /etc/hosts")).toBe(
      `${hosts}\n10.1.2.3\tdb`,
    );
  });

  test("--sig-proxy=false keeps signals from the container", async () => {
    const c = `${name}-proxy`;
    await cli([
      "run",
      "-d",
      "--name",
      c,
      "busybox",
      "sh",
      "-c",
      "trap 'echo got it; exit 3' TERM; while :; do sleep 0.05; done",
    ]);
    const program = name === "docker" ? ["docker"] : [process.execPath, join(import.meta.dir, "../../src/main.ts")];
    const attached = Bun.spawn([...program, "attach", "--no-stdin", "--sig-proxy=false", c], {
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
    });
    await until(
      "it is attached",
      async () =>
        (await daemon.ok(
          "events",
          "--since",
          "1",
          "--until",
          String(Math.floor(Date.now() / 1000) + 1),
          "-f",
          `container=${c}`,
          "-f",
          "event=attach",
          "--format",
          "{{.Action}}",
        )) !== "",
    );
    attached.kill("SIGTERM");
    // longer than the program needs to see a signal, which must not come
    expect((await cli(["exec", c, "sleep", "0.3"])).status).toBe(0);
    expect(await daemon.ok("inspect", "-f", "{{.State.Status}}", c)).toBe("running");
    attached.kill("SIGKILL");
    await attached.exited;
    await cli(["rm", "-f", c]);
  });

  test("--detach-keys of run leave it running; bad keys are refused", async () => {
    const c = `${name}-keys`;
    await using terminal = openTerminal(daemon, name, [
      "run",
      "--name",
      c,
      "--detach-keys",
      "ctrl-a,z",
      "-it",
      "busybox",
      "sh",
    ]);
    await terminal.expect("# ");
    terminal.write("\x01z");
    await terminal.exited();
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", c)).toBe("true");
    await cli(["rm", "-f", c]);
    expect((await cli(["create", "--name", c, "busybox", "true"])).status).toBe(0);
    expect((await cli(["start", "-a", "--detach-keys", "bogus-x", c])).status).not.toBe(0);
    await cli(["rm", c]);
  });

  test("-i without a terminal ends the program's input at the end of the client's", async () => {
    expect(await cli(["run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo after"], { stdin: "in\n" })).toEqual({
      status: 0,
      stdout: "in\nafter\n",
      stderr: "",
    });
    expect((await cli(["run", "--rm", "-t", "busybox", "sh", "-c", "tty; echo x"])).stdout).toMatch(
      /^\/dev\/(console|pts\/0)\r\nx\r\n$/,
    );
    const refused = await cli(["run", "--rm", "-it", "busybox", "true"], { stdin: "x" });
    expect(refused.stderr).toContain(name === "docker" ? "TTY" : "TTY");
    expect(refused.status).not.toBe(0);
  });

  test("logs of a terminal's container are raw", async () => {
    const c = `${name}-raw`;
    await cli(["run", "-t", "--name", c, "busybox", "sh", "-c", "echo out; echo err >&2"]);
    expect(await cli(["logs", c])).toEqual({ status: 0, stdout: "out\r\nerr\r\n", stderr: "" });
    await cli(["rm", c]);
  });

  test("bind propagation, tmpfs options, volume-nocopy and mounts that are wrong", async () => {
    expect(
      await sh(
        ["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770"],
        "stat -c %a /t; df -k /t | tail -1 | awk '{print $2}'",
      ),
    ).toBe("1770\n1024");
    expect(
      await sh(["--mount", `type=volume,src=${name}-nocopy,dst=/etc,volume-nocopy`], "ls /etc | grep -c passwd; true"),
    ).toBe("0");
    await cli(["volume", "rm", `${name}-nocopy`]);
    expect(await sh(["-v", `${folder}/made-${name}:/d`], "echo x > /d/f && echo written")).toBe("written");
    expect((await stat(join(folder, `made-${name}`))).isDirectory()).toBe(true);
    for (const [flags, text] of [
      [["--mount", "type=bogus,dst=/t"], 'invalid mount config for type "bogus": mount type unknown'],
      [["-v", "/a:/b:bogus"], "invalid mode: bogus"],
      [["-v", "rel/path:/b"], "includes invalid characters for a local volume name"],
      [["--tmpfs", "rel"], "invalid mount path: 'rel' mount path must be absolute"],
      [["--tmpfs", "/x:bogus"], "invalid tmpfs option"],
      [["-v", "/a:/"], "destination can't be '/'"],
    ] as const) {
      const result = await cli(["run", "--rm", ...flags, "busybox", "true"]);
      expect({ status: result.status, text: result.stderr.includes(text) ? text : result.stderr }).toEqual({
        status: 125,
        text,
      });
    }
  });

  test("options that this engine cannot give are refused, and nothing is left of them", async () => {
    const before = await daemon.ok("ps", "-aq");
    for (const [flags, text] of [
      [
        ["--storage-opt", "size=10m"],
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
      ],
      [["--gpus", "all"], 'could not select device driver "" with capabilities: [[gpu]]'],
      [["--isolation", "hyperv"], "linux only supports 'default'"],
      [["--sysctl", "kernel.hostname=x"], "kernel.hostname"],
      [["--network", "nosuch"], "network nosuch not found"],
      [["--network", "container:nosuch"], "No such container: nosuch"],
      [["--ipc", "container:nosuch"], "No such container: nosuch"],
      [["--restart", "bogus"], "restart"],
      [["--oom-score-adj", "2000"], "Invalid value 2000, range for oom score adj is [-1000, 1000]"],
      [["--stop-signal", "BOGUS"], "nvalid signal: BOGUS"],
      [["--entrypoint", ""], ""],
    ] as const) {
      const rm = flags[0] === "--restart" ? [] : ["--rm"];
      const result = await cli(["run", ...rm, ...flags, "busybox", ...(flags[0] === "--entrypoint" ? [] : ["true"])]);
      expect({ flags, status: result.status, text: result.stderr.includes(text) ? text : result.stderr }).toEqual({
        flags,
        status: 125,
        text,
      });
    }
    expect(await daemon.ok("ps", "-aq")).toBe(before);
  });
});
