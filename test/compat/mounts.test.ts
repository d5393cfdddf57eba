import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { type Client, client, clientNames } from "../harness/clients.ts";
import { importBusybox, mounts, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-mounts-"));
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  // whatever a failed test left mounted
  for (const target of (await mounts(folder)).reverse()) await run(["umount", "-l", target]);
  const left = await mounts(daemon.folder);
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  expect(left.filter((target) => target.includes("/exec/c/"))).toEqual([]);
}, 60_000);

let count = 0;
let here = "";
/** Fresh for each test. */
beforeEach(() => {
  here = join(folder, String(count++));
  mkdirSync(here);
});
/** What a command in a new container prints. */
async function sh(cli: Client, flags: readonly string[], script: string): Promise<string> {
  const { stdout, stderr, status } = await cli(["run", "--rm", ...flags, "busybox", "sh", "-c", script]);
  if (status !== 0) throw new Error(`status ${status}: ${stderr}${stdout}`);
  return stdout.trim();
}
const refused = async (cli: Client, ...flags: string[]): Promise<string> => {
  const { stderr, status } = await cli(["run", "--rm", ...flags, "busybox", "true"]);
  expect(status).not.toBe(0);
  return stderr;
};
/** A shared mount of its own at a folder of this host; gone when disposed. */
async function sharedMount(path: string): Promise<AsyncDisposable> {
  mkdirSync(path, { recursive: true });
  await run(["mount", "--bind", path, path]);
  await run(["mount", "--make-shared", path]);
  return {
    async [Symbol.asyncDispose]() {
      await run(["umount", "-R", "-l", path]);
    },
  };
}
async function tmpfsAt(path: string): Promise<AsyncDisposable> {
  mkdirSync(path, { recursive: true });
  await run(["mount", "-t", "tmpfs", "tmpfs", path]);
  return {
    async [Symbol.asyncDispose]() {
      await run(["umount", "-l", path]);
    },
  };
}

describe.each(clientNames)("%s: bind mounts", (name) => {
  let cli: Client;
  beforeAll(() => {
    cli = client(daemon, name);
  });

  test("a missing source is an error for --mount, and for -v a folder with a warning", async () => {
    const source = join(here, "none");
    expect(await refused(cli, "--mount", `type=bind,src=${source},dst=/x`)).toContain(
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
    );
    const { status, stderr } = await cli(["run", "--rm", "-v", `${source}/deep:/x`, "busybox", "touch", "/x/made"]);
    expect([status, statSync(join(source, "deep")).uid, existsSync(join(source, "deep/made"))]).toEqual([0, 0, true]);
    expect(stderr).toContain(`${source}/deep does not exist: an empty folder will be made`);
  });

  test("propagation: rslave sees later mounts of the host, rshared gives its own to it, private neither", async () => {
    await using _shared = await sharedMount(here);
    mkdirSync(join(here, "late"));
    mkdirSync(join(here, "inner"));
    for (const word of ["rprivate", "rslave", "rshared"]) {
      const c = `${name}-prop-${word}`;
      await cli([
        "run",
        "-d",
        "--privileged",
        "--name",
        c,
        "--mount",
        `type=bind,src=${here},dst=/x,bind-propagation=${word}`,
        "busybox",
        "sleep",
        "600",
      ]);
      await using late = await tmpfsAt(join(here, "late"));
      writeFileSync(join(here, "late/seen"), "");
      const seen = (await cli(["exec", c, "ls", "/x/late"])).stdout.trim();
      expect([word, seen]).toEqual([word, word === "rprivate" ? "" : "seen"]);
      await cli(["exec", c, "sh", "-c", "mount -t tmpfs tmpfs /x/inner && touch /x/inner/mine"]);
      expect([word, readdirSync(join(here, "inner"))]).toEqual([word, word === "rshared" ? ["mine"] : []]);
      await cli(["rm", "-f", c]);
      void late;
      await run(["umount", "-l", join(here, "inner")]);
    }
    await using _private = await tmpfsAt(join(here, "private"));
    await run(["mount", "--make-private", join(here, "private")]);
    expect(await refused(cli, "-v", `${join(here, "private")}:/x:rshared`)).toContain("is not a shared mount");
  }, 60_000);

  test("read-only holds for mounts below the source as bind-recursive says", async () => {
    await using _sub = await tmpfsAt(join(here, "sub"));
    const mount = `type=bind,src=${here},dst=/x`;
    const script =
      "touch /x/f 2>/dev/null && echo top; touch /x/sub/f 2>/dev/null && echo sub; ls -d /x/sub; grep -c ' /x/sub ' /proc/self/mountinfo; true";
    expect(await sh(cli, ["--mount", `${mount},readonly`], script)).toBe("/x/sub\n1");
    expect(await sh(cli, ["--mount", `${mount},readonly,bind-recursive=writable`], script)).toBe("sub\n/x/sub\n1");
    expect(await sh(cli, ["--mount", `${mount},readonly,bind-recursive=disabled`], script)).toBe("/x/sub\n0");
    expect(
      await sh(cli, ["--mount", `${mount},readonly,bind-recursive=readonly,bind-propagation=rprivate`], script),
    ).toBe("/x/sub\n1");
    expect(await sh(cli, ["-v", `${here}:/x`], script)).toBe("top\nsub\n/x/sub\n1");
  });

  test("O lays an overlay over a folder: the container may change all, the host sees nothing of it", async () => {
    writeFileSync(join(here, "file"), "old");
    const c = `${name}-over`;
    await cli([
      "run",
      "--name",
      c,
      "-v",
      `${here}:/x:O`,
      "busybox",
      "sh",
      "-c",
      "echo new > /x/file; rm -f /x/none; touch /x/more; cat /x/file",
    ]);
    expect([readdirSync(here), (await cli(["logs", c])).stdout]).toEqual([["file"], "new\n"]);
    await cli(["start", c]);
    await until(
      "it ended",
      async () => (await cli(["inspect", "-f", "{{.State.Status}}", c])).stdout.trim() === "exited",
    );
    expect((await cli(["logs", c])).stdout).toBe("new\nnew\n");
    const id = (await cli(["inspect", "-f", "{{.Id}}", c])).stdout.trim();
    expect(readdirSync(join(daemon.dataRoot, "containers", id, "over"))).toEqual([]);
    await cli(["rm", c]);
    await cli(["volume", "create", `${name}-overvol`]);
    await sh(cli, ["-v", `${name}-overvol:/x`], "echo kept > /x/file");
    expect(await sh(cli, ["-v", `${name}-overvol:/x:O`], "cat /x/file; echo lost > /x/file; cat /x/file")).toBe(
      "kept\nlost",
    );
    expect(await sh(cli, ["-v", `${name}-overvol:/x`], "cat /x/file")).toBe("kept");
    expect(await refused(cli, "-v", `${join(here, "file")}:/x:O`)).toContain("an overlay needs a folder");
    expect(await refused(cli, "-v", `${here}:/x:O,ro`)).toContain("O and ro exclude each other");
  });

  test.each(["", "runc"])("idmap shows other owners, and writes as them (runtime %j)", async (runtime) => {
    writeFileSync(join(here, "file"), "x");
    await run(["chown", "-R", "1000:1001", here]);
    const flags = runtime === "" ? [] : ["--runtime", runtime];
    const look = "stat -c '%u %g' /x/file; touch /x/new";
    expect(await sh(cli, [...flags, "-v", `${here}:/x:idmap`], look)).toBe("0 0");
    expect([lstatSync(join(here, "new")).uid, lstatSync(join(here, "new")).gid]).toEqual([1000, 1001]);
    expect(
      await sh(cli, [...flags, "-u", "7:8", "-v", `${here}:/x:idmap`], "stat -c '%u %g' /x/file; touch /x/seven"),
    ).toBe("7 8");
    expect(lstatSync(join(here, "seven")).uid).toBe(1000);
    expect(
      await sh(
        cli,
        [...flags, "-v", `${here}:/x:idmap=uids=1000-5-1;gids=1001-6-1`],
        "stat -c '%u %g' /x/file; touch /x/no 2>&1 || true",
      ),
    ).toMatch(/^5 6\ntouch: .*Value too large/);
    expect(
      await sh(cli, [...flags, "-v", `${here}:/x:O,idmap`], "stat -c '%u %g' /x/file; touch /x/over; ls /x"),
    ).toContain("0 0\nfile\nnew\nover");
    expect(existsSync(join(here, "over"))).toBe(false);
    expect(await refused(cli, ...flags, "-v", `${here}:/x:idmap=uids=1-2`)).toContain('"1-2" is no range');
    expect(await refused(cli, ...flags, "-v", `${here}:/x:idmap=uids=0-0-10#5-100-10`)).toContain("ranges overlap");
  });
});

test("berth: the long form of idmap, overlay, create and owners of a tmpfs", async () => {
  const cli = client(daemon, "berth");
  await run(["chown", "1000:1000", here]);
  expect(
    await sh(cli, ["--mount", `type=bind,src=${here},dst=/x,idmap,overlay`], "stat -c %u /x; touch /x/f; ls /x"),
  ).toBe("0\nf");
  expect(await sh(cli, ["--mount", `type=bind,src=${here},dst=/x,idmap=uids=1000-3-1`], "stat -c '%u %g' /x")).toBe(
    "3 3",
  );
  expect(readdirSync(here)).toEqual([]);
  await sh(cli, ["--mount", `type=bind,src=${here}/a/b,dst=/x,create`], "true");
  expect(statSync(join(here, "a/b")).isDirectory()).toBe(true);
  expect(
    await sh(
      cli,
      ["--mount", "type=tmpfs,dst=/x,tmpfs-uid=5,tmpfs-gid=6,tmpfs-size=1m,tmpfs-mode=0750"],
      "stat -c '%u %g %a' /x; df -k /x | tail -1 | awk '{print $2}'",
    ),
  ).toBe("5 6 750\n1024");
});

test("a folder that is made for a bind belongs to who asked for it", async () => {
  const source = join(here, "made/deep");
  await run(["chmod", "711", daemon.folder]);
  await run(["chmod", "666", daemon.socket]);
  // dropped to another user only after the program is loaded: the tree belongs to root
  const asked = await run(
    [
      "setpriv",
      "--reuid=1234",
      "--regid=1235",
      "--clear-groups",
      "docker",
      "run",
      "--rm",
      "-v",
      `${source}:/x`,
      "busybox",
      "true",
    ],
    {
      env: { DOCKER_HOST: `unix://${daemon.socket}`, HOME: here },
    },
  );
  expect([
    asked.status,
    statSync(source).uid,
    statSync(source).gid,
    statSync(join(here, "made")).uid,
    statSync(here).uid,
  ]).toEqual([0, 1234, 1235, 1234, 0]);
});

describe("volumes", () => {
  const fill =
    "mkdir -p /data/sub; echo x > /data/file; ln /data/file /data/sub/hard; chown 33:44 /data/file; chmod 4711 /data/file; mknod /data/null c 1 3; ln -s /etc /data/link; chown 5:6 /data; chmod 2750 /data";
  beforeAll(async () => {
    await daemon.ok("run", "--name", "filled", "busybox", "sh", "-c", fill);
    await daemon.ok("commit", "filled", "filled");
    await daemon.ok("rm", "filled");
  });
  const look = "cd /data && stat -c '%n %u %g %a %h %F' . file sub/hard null link";

  test("first use copies owners, modes, links and devices of the image, for --mount and -v alike; nocopy does not", async () => {
    const wanted = await daemon.ok("run", "--rm", "filled", "sh", "-c", look);
    expect(await daemon.ok("run", "--rm", "-v", "first:/data", "filled", "sh", "-c", look)).toBe(wanted);
    expect(await daemon.ok("run", "--rm", "--mount", "src=second,dst=/data", "filled", "sh", "-c", look)).toBe(wanted);
    for (const flags of [
      ["-v", "third:/data:nocopy"],
      ["--mount", "src=fourth,dst=/data,volume-nocopy"],
    ])
      expect(await daemon.ok("run", "--rm", ...flags, "filled", "ls", "-A", "/data")).toBe("");
    // one in a disk image is filled, too
    await daemon.ok("volume", "create", "-o", "size=16m", "fifth");
    expect(await daemon.ok("run", "--rm", "-v", "fifth:/data", "filled", "sh", "-c", look)).toBe(wanted);
  });

  test("a subpath stays inside its volume, links and all", async () => {
    await daemon.ok(
      "run",
      "--rm",
      "-v",
      "subs:/v",
      "busybox",
      "sh",
      "-c",
      "mkdir -p /v/a/b; echo in > /v/a/b/f; ln -s /etc /v/out; ln -s ../../../../etc /v/up; ln -s /a/b /v/inside",
    );
    const mount = (subpath: string) =>
      daemon.docker(["run", "--rm", "--mount", `src=subs,dst=/x,volume-subpath=${subpath}`, "busybox", "ls", "/x"]);
    expect((await mount("a/b")).stdout).toBe("f\n");
    expect((await mount("a/b/f")).stdout).toBe("/x\n");
    expect((await mount("inside")).stdout).toBe("f\n");
    for (const bad of ["out", "up", "none", "a/b/f/g"])
      expect((await mount(bad)).stderr).toContain(`cannot access path ${bad} in volume subs`);
    expect((await mount("../x")).stderr).toContain("subpath must be a relative path within the volume");
  });

  test("a subpath whose components are swapped all the time shows the volume or fails, never the host", async () => {
    const canary = join(here, "canary");
    mkdirSync(canary);
    writeFileSync(join(canary, "secret"), "");
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "swapper",
      "-v",
      "race:/v",
      "busybox",
      "sh",
      "-c",
      `mkdir -p /v/real/deep; while :; do rm -f /v/dir; ln -s ${canary} /v/dir; rm -f /v/dir; ln -s real /v/dir; done`,
    );
    const results = await Promise.all(
      Array.from({ length: 24 }, () =>
        daemon.docker(["run", "--rm", "--mount", "src=race,dst=/x,volume-subpath=dir", "busybox", "ls", "/x"]),
      ),
    );
    await daemon.ok("rm", "-f", "swapper");
    expect(results.filter(({ stdout }) => stdout.includes("secret"))).toEqual([]);
  }, 60_000);

  test("--volumes-from takes the mounts of others, read-only if asked", async () => {
    await daemon.ok("create", "--name", "source", "-v", "vf:/v", "-v", `${here}:/b`, "-v", "/anon", "busybox");
    const script = "for d in /v /b /anon; do touch $d/f 2>/dev/null && echo $d; done; true";
    expect(await daemon.ok("run", "--rm", "--volumes-from", "source", "busybox", "sh", "-c", script)).toBe(
      "/v\n/b\n/anon",
    );
    expect(await daemon.ok("run", "--rm", "--volumes-from", "source:ro", "busybox", "sh", "-c", script)).toBe("");
    expect(await daemon.ok("run", "--rm", "--volumes-from", "source:rw,z", "busybox", "sh", "-c", script)).toBe(
      "/v\n/b\n/anon",
    );
    expect((await daemon.docker(["run", "--rm", "--volumes-from", "source:O", "busybox", "true"])).stderr).toContain(
      "invalid mode: O",
    );
    await daemon.ok("rm", "-v", "source");
  });

  test("an image is mounted read-only, whole or a part of it", async () => {
    expect(
      await daemon.ok(
        "run",
        "--rm",
        "--mount",
        "type=image,src=filled,dst=/x,image-subpath=data",
        "busybox",
        "sh",
        "-c",
        "ls /x | tr '\\n' ' '; touch /x/f 2>&1 | grep -o 'Read-only'",
      ),
    ).toBe("file link null sub Read-only");
    expect(
      (await daemon.docker(["run", "--rm", "--mount", "type=image,src=nosuch,dst=/x", "busybox", "true"])).stderr,
    ).toContain("No such image");
  });
});

test("dockerode: IdMap and Overlay stand beside Docker's fields, and are shown again", async () => {
  const docker = new Docker({ socketPath: daemon.socket });
  await run(["chown", "1000:1000", here]);
  const mount = { Type: "bind", Source: here, Target: "/x", IdMap: "auto", Overlay: true } as Docker.MountSettings;
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "touch /x/f && stat -c %u /x"],
    HostConfig: { Mounts: [mount] },
  });
  await container.start();
  expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  expect((await container.inspect()).HostConfig.Mounts).toMatchObject([{ IdMap: "auto", Overlay: true }]);
  expect(readdirSync(here)).toEqual([]);
  await container.remove();
  const refusals = await Promise.all(
    [
      { Type: "tmpfs", Target: "/x", IdMap: "auto" },
      { ...mount, ReadOnly: true },
      { ...mount, IdMap: "uids=@1-2-3" },
    ].map((bad) =>
      docker.createContainer({ Image: "busybox", HostConfig: { Mounts: [bad as Docker.MountSettings] } }).then(
        () => "made",
        (error: { statusCode: number; json: { message: string } }) => `${error.statusCode} ${error.json.message}`,
      ),
    ),
  );
  expect(refusals).toEqual([
    expect.stringContaining('400 invalid mount config for type "tmpfs": field IdMap must not be specified'),
    expect.stringContaining('400 invalid mount config for type "bind": Overlay and ReadOnly exclude each other'),
    expect.stringContaining("400 invalid idmap"),
  ]);
});
