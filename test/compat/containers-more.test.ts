import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const out = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await cli(args);
    if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    return stdout.replace(/\n$/, "");
  };
  const n = (word: string): string => `${name}-${word}`;

  test("formats: fields, json, range, if, table, and Docker's functions", async () => {
    await cli([
      "create",
      "--name",
      n("fmt"),
      "--label",
      "a=1",
      "--label",
      "b=2",
      "-e",
      "X=y",
      "busybox",
      "sh",
      "-c",
      "echo",
    ]);
    const inspect = (format: string): Promise<string> => out("inspect", "-f", format, n("fmt"));
    expect(await inspect('{{.Config.Labels.a}} {{json .Config.Labels}} {{index .Config.Labels "b"}}')).toBe(
      '1 {"a":"1","b":"2"} 2',
    );
    expect(await inspect("{{range .Config.Env}}{{println .}}{{end}}")).toContain("X=y\n");
    expect(await inspect("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}")).toBe("a:1;b:2;");
    expect(await inspect('{{if .State.Running}}up{{else if eq .State.Status "created"}}new{{else}}down{{end}}')).toBe(
      "new",
    );
    expect(
      await inspect(
        '{{len .Config.Cmd}} {{join .Config.Cmd "|"}} {{upper .State.Status}} {{title "one"}} {{lower "ABC"}} {{truncate .ID 5 | len}}',
      ),
    ).toBe("3 sh|-c|echo CREATED One abc 5");
    expect(await inspect('{{split .Path "h"}} {{printf "%q %d %v" .Path .State.ExitCode .State.Dead}}')).toBe(
      '[s ] "sh" 0 false',
    );
    expect(
      await inspect(
        "{{with .State}}{{.Status}}{{end}} {{and true .State.Dead}} {{or false .Path}} {{not .State.Dead}} {{ne 1 2}} {{lt 1 2}} {{ge 2 2}}",
      ),
    ).toBe("created false sh true true true true");
    expect(await inspect("{{/* nothing */}}{{- .Path -}} ")).toBe("sh");
    expect(
      await inspect("{{.HostConfig.Binds}} {{.HostConfig.Memory}} {{.Config.Volumes}} {{.NetworkSettings.Ports}}"),
    ).toBe("[] 0 map[] map[]");
    expect((await cli(["inspect", "-f", "{{.Nope}}", n("fmt")])).stderr).toContain("Nope");
    expect((await cli(["inspect", "-f", "{{nofunc}}", n("fmt")])).stderr).toContain('function "nofunc" not defined');
    expect(await out("ps", "-a", "--format", 'table {{.Names}}\t{{.Image}}\t{{.Label "a"}}')).toMatch(
      /^NAMES +IMAGE +a\n\S+-fmt +busybox +1$/,
    );
    expect(JSON.parse(await out("ps", "-a", "--format", "json"))).toMatchObject({
      Names: n("fmt"),
      Image: "busybox",
      Command: '"sh -c echo"',
      State: "created",
      Status: "Created",
      LocalVolumes: "0",
      Networks: "bridge",
      Size: "0B",
    });
    expect(
      await out(
        "ps",
        "-a",
        "--no-trunc",
        "--format",
        "{{.ID}}|{{.Ports}}|{{.RunningFor}}|{{.CreatedAt}}|{{.Mounts}}|{{.Labels}}",
      ),
    ).toMatch(
      /^[0-9a-f]{64}\|\|(Less than a second|\d+ seconds?) ago\|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ \S+\|\|a=1,b=2$/,
    );
    await cli(["rm", n("fmt")]);
  });

  test("start, rm, stop, kill, wait and restart of several go on after one that fails", async () => {
    await cli(["create", "--name", n("a"), "busybox", "sh", "-c", "exit 4"]);
    await cli(["create", "--name", n("b"), "busybox", "/nope"]);
    const started = await cli(["start", n("a"), n("b"), "nosuch"]);
    expect(started.status).toBe(1);
    expect(started.stdout).toBe(`${n("a")}\n`);
    expect(started.stderr).toContain("no such file or directory");
    expect(started.stderr).toContain("No such container: nosuch");
    expect(started.stderr).toContain(`failed to start containers: ${n("b")}, nosuch`);
    expect((await cli(["wait", n("a"), n("a")])).stdout).toBe("4\n4\n");
    expect(await cli(["stop", n("a"), "nosuch"])).toMatchObject({ status: 1, stdout: `${n("a")}\n` });
    const killed = await cli(["kill", n("a")]);
    expect(killed.stderr).toMatch(/cannot kill container: \S+-a: container [0-9a-f]{64} is not running/);
    expect((await cli(["kill", "nosuch"])).stderr).toContain(
      "cannot kill container: nosuch: No such container: nosuch",
    );
    expect((await cli(["rename", n("a"), n("b")])).stderr).toContain(
      `Error when allocating new name: Conflict. The container name "/${n("b")}" is already in use by container`,
    );
    expect((await cli(["pause", n("a")])).stderr).toContain("is not running");
    expect((await cli(["exec", n("a"), "true"])).stderr).toContain("is not running");
    expect((await cli(["top", n("a")])).stderr).toContain("is not running");
    const removed = await cli(["rm", n("a"), "nosuch", n("b")]);
    expect(removed.stdout.trim().split("\n").sort()).toEqual([n("a"), n("b")]);
    expect(removed).toMatchObject({ status: 1, stderr: expect.stringContaining("No such container: nosuch") });
  });

  test("top with its arguments, exec on a paused container, update in every combination", async () => {
    const c = n("run");
    await cli(["run", "-d", "--name", c, "-m", "64m", "busybox", "sleep", "600"]);
    expect((await out("top", c)).split("\n")[0]).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD/);
    expect((await out("top", c, "-o", "pid,args")).split("\n")).toEqual([
      expect.stringMatching(/^PID +COMMAND/),
      expect.stringMatching(/^\d+ +sleep 600/),
    ]);
    expect((await cli(["top", c, "-o", "bogus"])).status).toBe(1);
    await cli(["pause", c]);
    expect((await cli(["exec", c, "true"])).stderr).toMatch(
      /[Cc]ontainer \S+ is paused, unpause the container before exec/,
    );
    expect((await cli(["pause", c])).stderr).toContain("already paused");
    await cli(["unpause", c]);
    expect((await cli(["unpause", c])).stderr).toContain("is not paused");
    const update = async (...flags: string[]): Promise<string> => {
      expect({ flags, ...(await cli(["update", ...flags, c])) }).toMatchObject({ flags, status: 0, stdout: `${c}\n` });
      return daemon.ok(
        "inspect",
        "-f",
        "{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.PidsLimit}} {{.NanoCpus}} {{.CpuShares}} {{.CpusetCpus}} {{.RestartPolicy.Name}}{{end}}",
        c,
      );
    };
    expect(await update("-m", "96m")).toBe("100663296 134217728 <no value> 0 0  no");
    expect(await update("--pids-limit", "30")).toBe("100663296 134217728 30 0 0  no");
    expect(await update("--cpus", "0.5", "--cpu-shares", "100")).toBe("100663296 134217728 30 500000000 100  no");
    expect(await update("--cpuset-cpus", "0")).toBe("100663296 134217728 30 500000000 100 0 no");
    expect(await update("--restart", "on-failure:3")).toBe("100663296 134217728 30 500000000 100 0 on-failure");
    expect((await cli(["update", "-m", "200m", c])).stderr).toContain(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
    expect((await cli(["update", "--restart", "bogus", c])).stderr).toContain("bogus");
    expect((await cli(["update", "--cpus", "1", "nosuch"])).stderr).toContain("No such container: nosuch");
    await cli(["rm", "-f", c]);
  });

  test("an exec that cannot start says why, with Docker's status", async () => {
    const c = n("exec");
    await cli(["run", "-d", "--name", c, "busybox", "sleep", "600"]);
    for (const [args, status, text] of [
      [[c, "/nope"], 127, "no such file or directory"],
      [[c, "nope"], 127, "executable file not found in $PATH"],
      [[c, "/etc"], 126, "permission denied"],
      [[c, "/etc/passwd"], 126, "permission denied"],
      [["-w", "rel", c, "pwd"], 126, "absolute path"],
      [["-u", "nosuch", c, "id"], 1, "unable to find user nosuch: no matching entries in passwd file"],
    ] as const) {
      const result = await cli(["exec", ...args]);
      const said = result.stdout + result.stderr;
      expect({ args, status: result.status, text: said.includes(text) ? text : said }).toEqual({ args, status, text });
    }
    await cli(["rm", "-f", c]);
  });

  test("stats of a busy container are plausible", async () => {
    const c = n("busy");
    await cli(["run", "-d", "--name", c, "-m", "64m", "--cpus", "0.5", "busybox", "sh", "-c", "while :; do :; done"]);
    const [cpu = "", usage = "", share = "", pids = ""] = (
      await out("stats", "--no-stream", "--format", "{{.CPUPerc}};{{.MemUsage}};{{.MemPerc}};{{.PIDs}}", c)
    ).split(";");
    expect(parseFloat(cpu)).toBeGreaterThan(1); // alone it is 50; a loaded machine gives it less
    expect(parseFloat(cpu)).toBeLessThan(80);
    expect(usage).toMatch(/^\d+(\.\d+)?KiB \/ 64MiB$/);
    expect(parseFloat(share)).toBeLessThan(10);
    expect(pids).toBe("1");
    expect((await cli(["stats", "--no-stream"])).stdout).toMatch(
      /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/,
    );
    expect((await cli(["stats", "--no-stream", "nosuch"])).stderr).toContain("No such container: nosuch");
    await cli(["rm", "-f", c]);
  });

  test("wait for a container that could not be started prints its code", async () => {
    const c = `${n("unstarted")}-${Date.now()}`;
    await cli(["create", "--name", c, "busybox", "/nope"]);
    await cli(["start", c]);
    const waited = await cli(["wait", c]);
    await cli(["rm", c]);
    expect(waited.stdout).toBe("127\n");
  });
});
