import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { eventsOf, importBusybox, mounts, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";
import { type SamplePlugin, samplePlugin } from "../harness/volume-plugin.ts";

let daemon: TestDaemon;
let plugin: SamplePlugin;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-contents-"));
  daemon = await startDaemon();
  plugin = await samplePlugin(join(daemon.execRoot, "plugins"), join(folder, "plugin"), "sample");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  const mounted = (await mounts(daemon.folder)).filter((target) => target.includes("/volumes/"));
  const loops = (await run(["losetup", "-a"])).stdout.split("\n").filter((line) => line.includes(daemon.folder));
  await plugin[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  expect([mounted, loops]).toEqual([[], []]);
}, 60_000);

const berth = async (...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await daemon.berth(["volume", ...args]);
  if (status !== 0) throw new Error(`volume ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
};
const refused = async (...args: string[]): Promise<string> => {
  const { status, stderr } = await daemon.berth(["volume", ...args]);
  expect(status).toBe(1);
  return stderr;
};
/** Runs a script with volumes in a container; what it prints. */
const sh = (script: string, ...volumes: string[]): Promise<string> =>
  daemon.ok("run", "--rm", ...volumes.flatMap((volume) => ["-v", volume]), "busybox", "sh", "-c", script);

test("copy, rename, snapshot, restore, update and sizes by the command line, seen by the stock client", async () => {
  await sh("echo one > /v/file; chown 33:44 /v/file", "work:/v");
  expect(await berth("snapshot", "--label", "why=before", "work", "before")).toBe("before");
  await sh("echo two > /v/file", "work:/v");
  expect(await berth("copy", "work", "twin")).toBe("twin");
  expect(await berth("copy", "--snapshot", "before", "work", "past")).toBe("past");
  expect(await sh("cat /a/file /b/file; stat -c '%u %g' /b/file", "twin:/a", "past:/b")).toBe("two\none\n33 44");
  expect(await berth("snapshots", "-q", "work")).toBe("before");
  expect(await berth("snapshots", "--format", '{{.Name}} {{.Label "why"}}', "work")).toBe("before before");
  await berth("restore", "work", "before");
  expect(await sh("cat /v/file", "work:/v")).toBe("one");
  expect(await berth("snapshot-rm", "work", "before")).toBe("before");
  expect(await refused("restore", "work", "before")).toContain("volume work has no snapshot before");
  await berth("rename", "twin", "other");
  expect(await daemon.ok("volume", "ls", "-q")).toBe("other\npast\nwork");
  await berth("update", "--label-add", "a=1", "--label-add", "b=2", "other");
  await berth("update", "--label-rm", "a", "other");
  expect(await daemon.ok("volume", "inspect", "-f", "{{json .Labels}}", "other")).toBe('{"b":"2"}');
  const sizes = await berth("ls", "--size", "--format", "{{.Name}} {{.Limit}} {{.Snapshots}} {{.Links}}");
  expect(sizes).toBe("other none 0 0\npast none 0 0\nwork none 0 0");
  expect(await eventsOf(daemon, "volume=work")).toContain("snapshot");
  await daemon.ok("volume", "rm", "other", "past", "work");
});

test("a rename is followed by containers, running and stopped, over a restart of the daemon", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "runs",
    "-v",
    "old:/v",
    "busybox",
    "sh",
    "-c",
    "while :; do date > /v/now; sleep 0.1; done",
  );
  await daemon.ok("create", "--name", "stopped", "--mount", "src=old,dst=/v", "busybox", "cat", "/v/kept");
  await daemon.ok("exec", "runs", "sh", "-c", "echo kept > /v/kept");
  await berth("rename", "old", "new");
  const { mountpoint } = { mountpoint: await daemon.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "new") };
  rmSync(join(mountpoint, "now"));
  await until("the container still writes into it", () => existsSync(join(mountpoint, "now")));
  const look =
    "{{range .Mounts}}{{.Name}} {{.Source}}{{end}} {{json .HostConfig.Binds}}{{range .HostConfig.Mounts}}{{.Source}}{{end}}";
  expect(await daemon.ok("inspect", "-f", look, "runs")).toBe(`new ${mountpoint} ["new:/v"]`);
  expect((await daemon.docker(["volume", "rm", "-f", "new"])).stderr).toContain("volume is in use - [");
  await daemon.kill();
  await daemon.start();
  expect(await daemon.ok("inspect", "-f", look, "stopped")).toContain(`new ${mountpoint}`);
  expect(await daemon.ok("start", "-a", "stopped")).toBe("kept");
  await daemon.ok("rm", "-f", "runs", "stopped");
  await daemon.ok("volume", "rm", "new");
}, 60_000);

test("archives by files and pipes, plain, gzip and zstd", async () => {
  await sh("mkdir /v/sub; echo x > /v/sub/file; ln -s /etc/passwd /v/link; chown -R 5:6 /v", "arch:/v");
  for (const packing of ["none", "gzip", "zstd"]) {
    const file = join(folder, `arch.${packing}`);
    await berth("export", "--compress", packing, "-o", file, "arch");
    expect(await berth("import", "--label", "from=test", `in-${packing}`, file)).toBe(`in-${packing}`);
    expect(await sh("cd /v; stat -c '%n %u %g' . sub/file link; readlink link; cat sub/file", `in-${packing}:/v`)).toBe(
      ". 5 6\nsub/file 5 6\nlink 5 6\n/etc/passwd\nx",
    );
  }
  const piped = await run([
    "sh",
    "-c",
    '"$@" volume export arch | "$@" volume import -o size=16m piped -',
    "sh",
    ...daemonCommand(),
  ]);
  expect([piped.status, piped.stdout]).toEqual([0, "piped\n"]);
  expect(await sh("cat /v/sub/file; df -k /v | tail -1 | awk '{print ($2 < 16384)}'", "piped:/v")).toBe("x\n1");
  expect(await refused("import", "in-none", join(folder, "arch.none"))).toContain("the volume has content");
  await berth("import", "--replace", "in-none", join(folder, "arch.gzip"));
  expect(await refused("export", "--compress", "rar", "arch")).toContain("unknown compression");
  await daemon.ok("volume", "rm", "arch", "in-none", "in-gzip", "in-zstd", "piped");
});
const daemonCommand = (): string[] => [
  process.execPath,
  new URL("../../src/main.ts", import.meta.url).pathname,
  "-H",
  `unix://${daemon.socket}`,
];

describe("hostile archives", () => {
  const stage = (): string => mkdtempSync(join(folder, "stage-"));
  const tar = async (place: string, ...args: string[]): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(await new Response(Bun.spawn(["tar", "-C", place, "-P", "-cf", "-", ...args]).stdout).arrayBuffer());
  const put = (name: string, bytes: Uint8Array<ArrayBuffer>, query = "") =>
    fetch(`http://d/berth/volumes/${name}/import${query}`, { method: "POST", unix: daemon.socket, body: bytes });

  test("names with .., links out of the volume, and names below them stay inside or are refused; nothing is left", async () => {
    const place = stage();
    mkdirSync(join(place, "dir"));
    writeFileSync(join(place, "dir/berth-escaped"), "x");
    const dots = await tar(place, "--transform=s,^dir,../../../../../../tmp,", "dir");
    expect((await put("evil", dots)).status).toBe(400);
    symlinkSync("/tmp", join(place, "link"));
    const first = await tar(place, "link");
    rmSync(join(place, "link"));
    mkdirSync(join(place, "link"));
    writeFileSync(join(place, "link/berth-escaped"), "x");
    const second = await tar(place, "link/berth-escaped");
    await put("evil", Buffer.concat([first.subarray(0, -1024), second]));
    expect(existsSync("/tmp/berth-escaped")).toBe(false);
    for (const bytes of [new TextEncoder().encode("no archive"), (await tar(place, "dir")).subarray(0, 700)]) {
      const answer = await put("broken", bytes);
      expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
        400,
        expect.stringContaining("import broken: "),
      ]);
    }
    const left = (await daemon.ok("volume", "ls", "-q")).split("\n");
    expect(left).not.toContain("broken");
    if (left.includes("evil")) await daemon.ok("volume", "rm", "evil");
  });

  test("a client that goes away in the middle leaves nothing, and keeps nobody waiting", async () => {
    const place = stage();
    writeFileSync(join(place, "big"), Buffer.alloc(4 * 1024 * 1024, 7));
    const bytes = await tar(place, "big");
    const client = connect(daemon.socket);
    client.write(`POST /berth/volumes/halfway/import HTTP/1.1\r\nHost: d\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    client.write(bytes.subarray(0, 1024 * 1024));
    const draft = () => existsSync(join(daemon.dataRoot, "volumes/halfway"));
    await until("the import has begun", draft);
    client.destroy();
    await until("nothing of it is left", () => !draft());
    expect(await daemon.ok("volume", "create", "halfway")).toBe("halfway");
    await daemon.ok("volume", "rm", "halfway");
  });

  test("devices are kept in the volume, and one that is too large for it leaves it as it was", async () => {
    const place = stage();
    await run(["mknod", join(place, "null"), "c", "1", "3"]);
    expect((await put("nodes", await tar(place, "."))).status).toBe(200);
    expect(await sh("stat -c '%F %t %T' /v/null", "nodes:/v")).toBe("character special file 1 3");
    await daemon.ok("volume", "create", "-o", "size=16m", "tiny");
    await sh("echo before > /v/file", "tiny:/v");
    writeFileSync(join(place, "big"), Buffer.alloc(40 * 1024 * 1024, 7));
    const answer = await put("tiny", await tar(place, "big"), "?replace=1");
    expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
      500,
      expect.stringContaining("no space left on device"),
    ]);
    expect(await sh("ls /v; cat /v/file", "tiny:/v")).toBe("file\nbefore");
    await daemon.ok("volume", "rm", "nodes", "tiny");
  });
});

test("a size holds in containers, is shown, and grows", async () => {
  expect(await berth("create", "--quota", "16m", "limited")).toBe("limited");
  expect(
    await sh(
      "dd if=/dev/zero of=/v/big bs=1M count=32 2>&1 | grep -o 'No space left'; rm /v/big; echo kept > /v/file",
      "limited:/v",
    ),
  ).toBe("No space left");
  await berth("update", "--size", "64m", "limited");
  expect(await sh("dd if=/dev/zero of=/v/big bs=1M count=32 2>/dev/null && cat /v/file", "limited:/v")).toBe("kept");
  expect(await berth("ls", "-s", "--format", "{{.Limit}}", "-f", "name=limited")).toBe("67.11MB");
  expect((await daemon.docker(["volume", "create", "-o", "size=2", "no"])).stderr).toContain("size is too small");
  // both use it at once, one file system
  await daemon.ok("run", "-d", "--name", "holder", "-v", "limited:/v", "busybox", "sleep", "600");
  expect(await sh("echo seen > /v/both", "limited:/v")).toBe("");
  expect(await daemon.ok("exec", "holder", "cat", "/v/both")).toBe("seen");
  await daemon.kill();
  await daemon.start();
  expect(await daemon.ok("exec", "holder", "cat", "/v/both")).toBe("seen");
  await daemon.ok("rm", "-f", "holder");
  await until("it is unmounted", async () =>
    (await mounts(daemon.folder)).every((target) => !target.includes("/volumes/limited/")),
  );
  await daemon.ok("volume", "rm", "limited");
}, 60_000);

test("a snapshot with --pause stops the writers for its time, and lets them go on", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "writer",
    "-v",
    "busy:/v",
    "busybox",
    "sh",
    "-c",
    "i=0; while :; do i=$((i+1)); echo $i > /v/a; echo $i > /v/b; done",
  );
  await until("it writes", async () => (await daemon.ok("exec", "writer", "cat", "/v/b")) !== "");
  await berth("snapshot", "--pause", "busy", "still");
  expect(await daemon.ok("inspect", "-f", "{{.State.Status}}", "writer")).toBe("running");
  expect(await refused("restore", "busy", "still")).toContain("volume is in use - [");
  await daemon.ok("rm", "-f", "writer");
  await daemon.ok("volume", "rm", "busy");
});

test("what is protected is left by prune, by rm without force, and by rm -v of its container", async () => {
  await daemon.ok("volume", "create", "--label", "protected", "keep");
  await daemon.ok("run", "--name", "user", "--mount", "dst=/anon,volume-label=protected=1", "busybox", "true");
  await daemon.ok("rm", "-v", "user");
  const pruned = await daemon.ok("volume", "prune", "-a", "-f");
  expect(pruned).not.toContain("keep");
  expect((await daemon.docker(["volume", "rm", "keep"])).stderr).toContain(
    'volume is protected by its label "protected"',
  );
  const left = (await daemon.ok("volume", "ls", "-q", "-f", "label=protected")).split("\n");
  expect(left).toHaveLength(2);
  await daemon.ok("volume", "rm", "-f", ...left);
});

describe("a volume plugin", () => {
  test("makes, lists, mounts and removes by the stock client; its books count each container", async () => {
    await daemon.ok("volume", "create", "-d", "sample", "-o", "speed=high", "theirs");
    expect(
      await daemon.ok(
        "volume",
        "inspect",
        "-f",
        "{{.Driver}} {{.Scope}} {{.Mountpoint}} {{.Status.users}} {{.Options.speed}}",
        "theirs",
      ),
    ).toBe(`sample global ${join(plugin.folder, "volumes/theirs")} 0 high`);
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "user",
      "-v",
      "theirs:/v",
      "busybox",
      "sh",
      "-c",
      "echo x > /v/file; sleep 600",
    );
    await daemon.ok("run", "--rm", "--volume-driver", "sample", "-v", "implicit:/v", "busybox", "touch", "/v/f");
    expect(await daemon.ok("volume", "inspect", "-f", "{{.Status.users}}", "theirs")).toBe("1");
    expect((await daemon.docker(["volume", "rm", "theirs"])).stderr).toContain("volume is in use");
    await daemon.kill();
    await daemon.start();
    expect(await daemon.ok("exec", "user", "cat", "/v/file")).toBe("x");
    await daemon.ok("rm", "-f", "user");
    await until(
      "it is unmounted there",
      async () => (await daemon.ok("volume", "inspect", "-f", "{{.Status.users}}", "theirs")) === "0",
    );
    expect(await daemon.ok("volume", "ls", "-q", "-f", "driver=sample")).toBe("implicit\ntheirs");
    await daemon.ok("volume", "rm", "theirs", "implicit");
    expect((await daemon.docker(["volume", "create", "-d", "nosuch", "x1"])).stderr).toContain(
      'error looking up volume plugin nosuch: plugin "nosuch" not found',
    );
  }, 60_000);

  test("that lies, fails or dies makes the start fail with its name, and nothing stays behind", async () => {
    for (const [behave, words] of [
      ["lie:/no/where", "there is no such folder"],
      [`lie:${daemon.dataRoot}`, "that holds the engine's own data"],
      ["garbage-Mount", "answered what is no JSON object"],
      ["die-Mount", "the plugin sample"],
    ] as const) {
      await daemon.ok("volume", "create", "-d", "sample", "-o", `behave=${behave}`, "bad");
      const { status, stderr } = await daemon.docker(["run", "--rm", "-v", "bad:/v", "busybox", "true"]);
      expect([behave, status === 0, stderr]).toEqual([behave, false, expect.stringContaining(words)]);
      if (behave === "die-Mount") await plugin.start();
      expect(await daemon.ok("ps", "-aq")).toBe("");
      await until("the volume can go", async () => (await daemon.docker(["volume", "rm", "bad"])).status === 0);
    }
    expect(
      (await daemon.docker(["volume", "create", "-d", "sample", "-o", "behave=fail-Create", "no"])).stderr,
    ).toContain("create no: VolumeDriver.Create: the disks are full");
  }, 60_000);

  test("that hangs is named as a warning by ls, and the daemon answers others meanwhile", async () => {
    process.kill(await pluginPid(), "SIGSTOP");
    const listing = daemon.request("GET", "/v1.51/volumes");
    expect((await daemon.docker(["ps"])).status).toBe(0);
    const { Warnings } = (await (await listing).json()) as { Warnings: string[] };
    process.kill(await pluginPid(), "SIGCONT");
    expect(Warnings.join()).toContain("the volumes of the plugin sample are not known");
  }, 60_000);
});
const pluginPid = async (): Promise<number> =>
  Number(
    (await run(["pgrep", "-f", `volume-plugin.ts ${join(daemon.execRoot, "plugins/sample.sock")}`])).stdout.trim(),
  );

test("dockerode sees volumes as Docker has them, and what is refused leaves nothing", async () => {
  const docker = new Docker({ socketPath: daemon.socket });
  await docker.createVolume({
    Name: "rode",
    Labels: { a: "1" },
    DriverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m" },
  });
  const {
    Volumes: [found],
  } = await docker.listVolumes({ filters: JSON.stringify({ label: ["a=1"] }) });
  expect(found).toMatchObject({ Name: "rode", Driver: "local", Scope: "local", Options: { type: "tmpfs" } });
  await docker.getVolume("rode").remove();
  const bad: Record<string, string>[] = [
    { nosuch: "1" },
    { type: "tmpfs" },
    { size: "many" },
    { size: "1g", type: "tmpfs", device: "x" },
  ];
  for (const DriverOpts of bad) {
    const error = await docker
      .createVolume({ Name: "bad", DriverOpts })
      .catch((reason: { statusCode: number }) => reason.statusCode);
    expect(error).toBe(400);
  }
  expect((await docker.listVolumes()).Volumes.map(({ Name }) => Name)).not.toContain("bad");
  for (const type of ["nfs", "cifs"]) {
    await docker.createVolume({ Name: "net", DriverOpts: { type, device: "127.0.0.1:/x", o: "addr=127.0.0.1" } });
    if (!readFileSync("/proc/filesystems", "utf8").includes(`\t${type}\n`))
      expect((await daemon.docker(["run", "--rm", "-v", "net:/v", "busybox", "true"])).stderr).toContain(
        `this kernel lacks the file system type "${type}", CONFIG_`,
      );
    await docker.getVolume("net").remove();
  }
});
