import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { importBusybox, program, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ args: ["--label", "rack=7"] });
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const soon = (): string => String(Math.floor(Date.now() / 1000) + 1);

describe.each(clientNames)("%s", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const out = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await cli(args);
    if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    return stdout.replace(/\n$/, "");
  };
  const n = (word: string): string => `${name}-${word}`;

  test("info and version have what scripts read", async () => {
    expect(
      await out(
        "info",
        "-f",
        "{{.NCPU}} {{.Driver}} {{.LoggingDriver}} {{.CgroupDriver}} {{.OSType}} {{.DockerRootDir}} {{.Labels}}",
      ),
    ).toBe(`${navigator.hardwareConcurrency} overlay2 json-file cgroupfs linux ${daemon.dataRoot} [rack=7]`);
    const text = await out("info");
    for (const row of [
      " Storage Driver: overlay2",
      " Default Runtime: ",
      " Swarm: inactive",
      "  rack=7",
      ` Docker Root Dir: ${daemon.dataRoot}`,
    ])
      expect(text).toContain(row);
    const info = JSON.parse(await out("info", "-f", "{{json .}}")) as {
      Runtimes: object;
      ServerVersion: string;
      MemTotal: number;
    };
    expect(Object.keys(info.Runtimes).sort()).toEqual(expect.arrayContaining(["crun", "runc"]));
    expect(await out("version", "-f", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}")).toBe(
      "1.51 1.24 linux",
    );
    expect(JSON.parse(await out("version", "-f", "json"))).toMatchObject({
      Client: { Os: "linux" },
      Server: { Version: info.ServerVersion, ApiVersion: "1.51" },
    });
    expect(await out("version")).toMatch(/^Client:[\s\S]*\nServer: [\s\S]* Engine:\n {2}Version: +\S+/);
    const bad = await cli(["info", "-f", "{{.Bogus}}"]);
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain("Bogus");
    expect((await cli(["version", "-f", "{{"])).stderr).toContain("template");
  });

  test("events have filters, formats, an end, and come live", async () => {
    const c = n("told");
    const live = client(daemon, name)(
      ["events", "-f", `container=${c}`, "-f", "event=die", "--until", "5s", "--format", "{{.Action}}"],
      {},
    ); // 5s ago: only what was
    await cli(["run", "--name", c, "--label", `of=${name}`, "busybox", "sh", "-c", "exit 3"]);
    await live;
    const past = (...filters: string[]): Promise<string> =>
      out(
        "events",
        "--since",
        "60m",
        "--until",
        soon(),
        ...filters.flatMap((one) => ["-f", one]),
        "--format",
        "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}",
      );
    expect((await past(`container=${c}`, "type=container")).split("\n")).toEqual(
      ["create", "attach", "start", "die"].map((action) => `container ${action} ${c}`),
    );
    expect(await past(`label=of=${name}`, "event=start")).toBe(`container start ${c}`);
    expect(await past("event=die", "event=create", `container=${c}`)).toBe(`container create ${c}\ncontainer die ${c}`);
    const died = JSON.parse(
      await out(
        "events",
        "--since",
        "60m",
        "--until",
        soon(),
        "-f",
        `container=${c}`,
        "-f",
        "event=die",
        "--format",
        "{{json .}}",
      ),
    ) as Record<string, unknown>;
    expect(died).toMatchObject({
      status: "die",
      from: "busybox",
      Type: "container",
      Action: "die",
      scope: "local",
      Actor: {
        Attributes: {
          exitCode: "3",
          image: "busybox",
          name: c,
          of: name,
          execDuration: expect.stringMatching(/^\d+$/),
        },
      },
    });
    expect((await cli(["events", "--since", "60m", "--until", soon(), "-f", `container=${c}`])).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ container create [0-9a-f]{64} \(image=busybox, name=\S+, of=\S+\)\n/,
    );
    expect((await cli(["events", "--until", "1s", "-f", "bogus=1"])).stderr).toContain("invalid filter 'bogus'");
    expect((await cli(["events", "--since", "bogus"])).stderr).toContain("failed to parse value as time or duration");
    const words = name === "docker" ? ["docker"] : [...program];
    const stream = Bun.spawn([...words, "events", "-f", "type=volume", "--format", "{{.Action}} {{.Actor.ID}}"], {
      stdout: "pipe",
      env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
    });
    let seen = "";
    const reading = (async () => {
      for await (const chunk of stream.stdout) seen += new TextDecoder().decode(chunk);
    })();
    let made = 0;
    await until("an event comes", async () => {
      await daemon.ok("volume", "create", n(`live${made++}`));
      return seen !== "";
    });
    expect(seen).toMatch(new RegExp(`^create ${n("live")}\\d+\n`));
    stream.kill("SIGKILL");
    await reading;
    await cli(["volume", "prune", "-af"]);
    await cli(["rm", c]);
  });

  test("df counts images, containers and volumes", async () => {
    await cli([
      "run",
      "--name",
      n("df"),
      "-v",
      `${n("df")}:/data`,
      "busybox",
      "sh",
      "-c",
      "head -c 100000 /dev/zero > /data/x; head -c 50000 /dev/zero > /y",
    ]);
    const rows = (await out("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}")).split("\n");
    expect(rows).toEqual([
      expect.stringMatching(/^Images 1 1 \d\.\d+MB$/),
      expect.stringMatching(/^Containers 1 0 5\d(\.\d+)?kB$/),
      expect.stringMatching(/^Local Volumes 1 1 1\d\d(\.\d+)?kB$/),
      "Build Cache 0 0 0B",
    ]);
    const verbose = await out("system", "df", "-v");
    expect(verbose).toMatch(
      /Images space usage:[\s\S]*busybox[\s\S]*Containers space usage:[\s\S]*Exited[\s\S]*Local Volumes space usage:[\s\S]*VOLUME NAME +LINKS +SIZE\n\S+ +1 +1\d\d/,
    );
    await cli(["rm", n("df")]);
    await cli(["volume", "rm", n("df")]);
  });

  test("prune of all kinds takes what is unused and tells the bytes", async () => {
    await cli([
      "run",
      "--name",
      n("gone"),
      "--label",
      "keep=no",
      "busybox",
      "sh",
      "-c",
      "head -c 100000 /dev/zero > /y",
    ]);
    await cli(["run", "--name", n("stays"), "--label", "keep=yes", "busybox", "true"]);
    await cli(["network", "create", n("net")]);
    await cli(["volume", "create"]);
    const pruned = await out("container", "prune", "-f", "--filter", "label=keep=no");
    expect(pruned).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 10\d(\.\d+)?kB$/);
    expect(await out("container", "prune", "-f", "--filter", "until=1h")).toBe("Total reclaimed space: 0B");
    const all = await out("system", "prune", "-f", "--volumes");
    expect(all).toContain("Deleted Containers:");
    expect(all).toContain(`Deleted Networks:\n${n("net")}`);
    expect(all).toMatch(/Deleted Volumes:\n[0-9a-f]{64}/);
    expect(all).toMatch(/Total reclaimed space: \S+$/);
    expect(await out("ps", "-aq")).toBe("");
    expect((await cli(["container", "prune", "-f", "--filter", "bogus=1"])).stderr).toContain("invalid filter 'bogus'");
    const asked = await cli(["system", "prune"], { stdin: "n\n" });
    expect(asked.stdout).toContain("WARNING! This will remove:");
    expect(asked.stdout).toContain("Are you sure you want to continue? [y/N]");
    expect(await out("images", "-q")).not.toBe("");
  });

  test("inspect finds objects of every type, several at once, and says what it did not find", async () => {
    await cli(["create", "--name", n("thing"), "-v", `${n("vol")}:/x`, "busybox", "true"]);
    const ids = (await out("inspect", "-f", "{{.Id}}", n("thing"), "busybox", "bridge")).split("\n");
    expect(ids).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      expect.stringMatching(/^sha256:/),
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
    expect(await out("inspect", "-f", "{{.Name}}", n("vol"))).toBe(n("vol"));
    expect(await out("inspect", "--type", "volume", "-f", "{{.Driver}}", n("vol"))).toBe("local");
    const partly = await cli(["inspect", n("thing"), "nosuch"]);
    expect(partly.status).toBe(1);
    expect(JSON.parse(partly.stdout)).toHaveLength(1);
    expect(partly.stderr.toLowerCase()).toContain("error: no such object: nosuch");
    expect((await cli(["inspect", "--type", "image", n("thing")])).stderr).toContain(`No such image: ${n("thing")}`);
    expect((await cli(["inspect", "--type", "bogus", "x"])).stderr).toContain('unknown type: "bogus"');
    expect(await out("inspect", "-s", "-f", "{{.SizeRw}}", n("thing"))).toBe("0");
    const prefix = ids[0]?.slice(0, 10) ?? "";
    expect(await out("inspect", "-f", "{{.Name}}", prefix)).toBe(`/${n("thing")}`);
    expect((await cli(["rm", "nosuch", prefix])).stdout).toBe(`${prefix}\n`);
    await cli(["volume", "rm", n("vol")]);
  });

  test("words that are no command, flags that are none, and arguments that are too few or too many", async () => {
    expect(await cli(["nosuchcmd"])).toMatchObject({ status: 1, stderr: expect.stringContaining("unknown command: ") });
    expect(await cli(["ps", "--nosuch"])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("unknown flag: --nosuch"),
    });
    expect(await cli(["ps", "extra"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("accepts no arguments"),
    });
    expect(await cli(["run"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("requires at least 1 argument"),
    });
    expect((await cli(["ps"], { env: { DOCKER_HOST: "unix:///nosuch.sock" } })).stderr).toContain(
      "Cannot connect to the Docker daemon at unix:///nosuch.sock. Is the docker daemon running?",
    );
    expect(
      (await cli(["run", "--rm", "busybox", "true"], { env: { DOCKER_HOST: "unix:///nosuch.sock" } })).status,
    ).toBe(125);
    expect(
      (await cli(["-H", `unix://${daemon.socket}`, "ps", "-q"], { env: { DOCKER_HOST: "unix:///nosuch.sock" } }))
        .status,
    ).toBe(0);
  });
});

test("completion for bash, zsh and fish is valid, and knows containers", async () => {
  for (const [shell, check] of [
    ["bash", ["bash", "-n"]],
    ["zsh", ["zsh", "-n"]],
    ["fish", ["fish", "-n"]],
  ] as const) {
    const script = await daemon.berth(["completion", shell]);
    expect({ shell, status: script.status, empty: script.stdout === "" }).toEqual({ shell, status: 0, empty: false });
    if (Bun.which(check[0]) !== null)
      expect(await run([...check, "/dev/stdin"], { stdin: script.stdout })).toMatchObject({ status: 0 });
  }
});
