import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { client, clientNames } from "../harness/clients.ts";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

describe.each(clientNames)("%s volume", (name) => {
  const cli = (args: string[], options = {}) => client(daemon, name)(args, options);
  const n = (word: string): string => `${name}-${word}`;

  test("create gives the name, twice the same volume, and a random name when none is given", async () => {
    expect((await cli(["volume", "create", "--label", "a=b", n("one")])).stdout).toBe(`${n("one")}\n`);
    const created = await daemon.ok("volume", "inspect", "-f", "{{.CreatedAt}}", n("one"));
    expect((await cli(["volume", "create", n("one")])).stdout).toBe(`${n("one")}\n`);
    expect(await daemon.ok("volume", "inspect", "-f", "{{.CreatedAt}} {{.Labels.a}}", n("one"))).toBe(`${created} b`);
    const random = (await cli(["volume", "create"])).stdout.trim();
    expect(random).toMatch(/^[0-9a-f]{64}$/);
    await cli(["volume", "rm", n("one"), random]);
  });

  test("inspect has Docker's fields, options in order", async () => {
    await cli([
      "volume",
      "create",
      "--label",
      "z=1",
      "--label",
      "b=2",
      "-o",
      "type=tmpfs",
      "-o",
      "device=tmpfs",
      "-o",
      "o=size=1m",
      n("tmp"),
    ]);
    const text = (await cli(["volume", "inspect", n("tmp")])).stdout;
    const [volume] = JSON.parse(text) as [Record<string, unknown>];
    expect(Object.keys(volume)).toEqual(["CreatedAt", "Driver", "Labels", "Mountpoint", "Name", "Options", "Scope"]);
    expect(volume).toMatchObject({ Driver: "local", Scope: "local", Name: n("tmp") });
    expect(JSON.stringify(volume["Options"])).toBe('{"device":"tmpfs","o":"size=1m","type":"tmpfs"}');
    expect(JSON.stringify(volume["Labels"])).toBe('{"b":"2","z":"1"}');
    expect(
      (
        await cli([
          "run",
          "--rm",
          "-v",
          `${n("tmp")}:/x`,
          "busybox",
          "sh",
          "-c",
          "df -k /x | tail -1 | awk '{print $1, $2}'",
        ])
      ).stdout,
    ).toBe("tmpfs 1024\n");
    await cli(["volume", "rm", n("tmp")]);
  });

  test("ls has filters and formats", async () => {
    await cli(["volume", "create", "--label", "tier=web", n("web")]);
    await cli(["volume", "create", n("db")]);
    await cli(["create", "--name", n("user"), "-v", `${n("db")}:/data`, "busybox", "true"]);
    const ls = async (...args: string[]): Promise<string> =>
      (await cli(["volume", "ls", "-f", `name=${name}-`, ...args])).stdout;
    expect(await ls()).toMatch(/^DRIVER +VOLUME NAME\nlocal +\S+-db\nlocal +\S+-web\n$/);
    expect(await ls("-q", "-f", "label=tier")).toBe(`${n("web")}\n`);
    expect(await ls("-q", "-f", "label=tier=db")).toBe("");
    expect(await ls("-q", "-f", "dangling=true")).toBe(`${n("web")}\n`);
    expect(await ls("-q", "-f", "dangling=false")).toBe(`${n("db")}\n`);
    expect(await ls("-f", "label=tier", "--format", '{{.Name}} {{.Driver}} {{.Scope}} {{.Label "tier"}}')).toBe(
      `${n("web")} local local web\n`,
    );
    expect(JSON.parse(await ls("-f", "label=tier", "--format", "json"))).toMatchObject({
      Name: n("web"),
      Labels: "tier=web",
      Driver: "local",
    });
    expect(await ls("--format", "table {{.Name}}\t{{.Driver}}")).toMatch(/^VOLUME NAME +DRIVER\n/);
    expect((await cli(["volume", "ls", "-f", "bogus=1"])).stderr).toContain("invalid filter 'bogus'");
    await cli(["rm", n("user")]);
    await cli(["volume", "rm", n("web"), n("db")]);
  });

  test("rm refuses what is used and unknown, and takes the others", async () => {
    await cli(["volume", "create", n("busy")]);
    await cli(["volume", "create", n("free")]);
    const user = (
      await cli(["create", "--name", n("holder"), "-v", `${n("busy")}:/data`, "busybox", "true"])
    ).stdout.trim();
    const removed = await cli(["volume", "rm", n("busy"), "nosuch", n("free")]);
    expect(removed.status).toBe(1);
    expect(removed.stdout).toBe(`${n("free")}\n`);
    expect(removed.stderr).toContain(`remove ${n("busy")}: volume is in use - [${user}]: used by "${n("holder")}"`);
    expect(removed.stderr).toContain("get nosuch: no such volume");
    expect((await cli(["volume", "rm", "-f", "nosuch"])).status).toBe(0);
    expect((await cli(["rm", "-v", n("holder")])).status).toBe(0);
    expect(await daemon.ok("volume", "ls", "-q")).toBe(n("busy")); // -v takes anonymous ones only
    await cli(["volume", "rm", n("busy")]);
    const missing = await cli(["volume", "inspect", n("busy")]);
    expect(missing).toMatchObject({ status: 1, stdout: "[]\n" });
    expect(missing.stderr).toContain(`get ${n("busy")}: no such volume`);
  });

  test("prune takes anonymous ones, with -a named ones, and with a filter what it says", async () => {
    await cli(["volume", "create", n("named")]);
    await cli(["volume", "create", "--label", "keep=yes", n("kept")]);
    await cli(["volume", "create"]);
    const first = await cli(["volume", "prune", "-f"]);
    expect(first.stdout).toMatch(/^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: /);
    const second = await cli(["volume", "prune", "-af", "--filter", "label!=keep"]);
    expect(second.stdout).toContain(`Deleted Volumes:\n${n("named")}\n`);
    expect(await daemon.ok("volume", "ls", "-q")).toBe(n("kept"));
    await cli(["volume", "prune", "-af"]);
    expect(await daemon.ok("volume", "ls", "-q")).toBe("");
  });

  test("what cannot be made is refused with Docker's words", async () => {
    for (const [args, text] of [
      [["-o", "bogus=1", n("bad")], 'invalid option: "bogus"'],
      [["-d", "nosuch", n("bad")], 'error looking up volume plugin nosuch: plugin "nosuch" not found'],
      [
        ["a/b"],
        'create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed',
      ],
    ] as const) {
      const result = await cli(["volume", "create", ...args]);
      expect({ args, status: result.status, text: result.stderr.includes(text) ? text : result.stderr }).toEqual({
        args,
        status: 1,
        text,
      });
    }
  });

  test("two containers see the same files at once, and events tell of it", async () => {
    const volume = n("shared");
    await cli(["run", "-d", "--name", n("a"), "-v", `${volume}:/d`, "busybox", "sleep", "600"]);
    await cli(["run", "-d", "--name", n("b"), "-v", `${volume}:/d:ro`, "busybox", "sleep", "600"]);
    await cli(["exec", n("a"), "sh", "-c", "echo both > /d/x"]);
    expect((await cli(["exec", n("b"), "cat", "/d/x"])).stdout).toBe("both\n");
    expect((await cli(["exec", n("b"), "touch", "/d/y"])).stderr).toContain("Read-only file system");
    const mounts = JSON.parse(await daemon.ok("inspect", "-f", "{{json .Mounts}}", n("b"))) as object[];
    expect(mounts).toEqual([
      {
        Type: "volume",
        Name: volume,
        Source: `${daemon.dataRoot}/volumes/${volume}/_data`,
        Destination: "/d",
        Driver: "local",
        Mode: "ro",
        RW: false,
        Propagation: "",
      },
    ]);
    await cli(["rm", "-f", n("a"), n("b")]);
    await cli(["volume", "rm", volume]);
    expect(await eventsOf(daemon, "type=volume", `volume=${volume}`)).toEqual([
      "create",
      "mount",
      "create",
      "mount",
      "unmount",
      "unmount",
      "destroy",
    ]); // twice create, as dockerd
  });
});
