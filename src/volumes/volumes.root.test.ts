import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isMounted } from "../kernel/mount.ts";
import { getXattr, setXattr } from "../kernel/xattr.ts";
import { engineCaller } from "../spec/caller.ts";
import type { OpenVolumes } from "./volumes.ts";
import { VolumeLab } from "./volumes.fixture.ts";

const caller = engineCaller;
let lab: VolumeLab;
let root = "";
let volumes: OpenVolumes;
function reopen(): void {
  lab.reopen();
  volumes = lab.volumes;
}
beforeEach(() => {
  lab = new VolumeLab();
  ({ root, volumes } = lab);
});
afterEach(() => lab[Symbol.asyncDispose]());
const create = (name: string, options: Record<string, string> = {}) => volumes.create({ name, options, caller });
const said = () => lab.events.map(({ action, id }) => `${action} ${id}`);

describe("create()", () => {
  test("makes a folder, keeps the row over a restart, and gives the same volume again", async () => {
    const made = await volumes.create({ name: "data", labels: { a: "1" }, caller });
    expect(made.mountpoint).toBe(join(root, "volumes/data/_data"));
    expect(statSync(made.mountpoint).mode & 0o777).toBe(0o755);
    expect(statSync(join(root, "volumes")).mode & 0o777).toBe(0o700);
    reopen();
    expect(volumes.get("data")).toEqual(made);
    expect(await create("data")).toEqual(made);
    expect(volumes.list()).toHaveLength(1);
  });

  test("without a name makes an anonymous volume", async () => {
    const made = await create("");
    expect(made.name).toMatch(/^[0-9a-f]{64}$/);
    expect([made.anonymous, made.labels]).toEqual([true, { "com.docker.volume.anonymous": "" }]);
  });

  test.each([
    ["a", {}, "create a: volume name is too short, names should be at least two alphanumeric characters"],
    [
      "../x",
      {},
      'create ../x: "../x" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
    ],
    [".removed-x", {}, "includes invalid characters"],
    ["x".repeat(300), {}, "volume name is too long"],
    ["hx", { foo: "1" }, 'create hx: invalid option: "foo"'],
    ["hx", { type: "tmpfs" }, 'create hx: missing required option: "device"'],
    ["hx", { size: "lots" }, "create hx: invalid size: 'lots'"],
    [
      "hx",
      { size: "1m", type: "tmpfs", device: "x" },
      'create hx: option "size" cannot be used together with "type", "device"',
    ],
  ])("refuses %j with Docker's text and leaves nothing", async (name, options, message) => {
    await expect(create(name, options)).rejects.toThrow(message);
    await create(name, options).catch(() => {});
    expect(volumes.list()).toEqual([]);
    expect(lab.events).toEqual([]);
  });

  test("refuses an unknown driver as not found", async () => {
    await expect(volumes.create({ name: "hx", driver: "nope", caller })).rejects.toMatchObject({
      kind: "not-found",
      message: 'create hx: error looking up volume plugin nope: plugin "nope" not found',
    });
  });

  test("of one name at the same time makes one volume", async () => {
    const made = await Promise.all([create("same"), create("same"), create("same")]);
    expect(new Set(made.map(({ createdAtNs }) => createdAtNs)).size).toBe(1);
  });
});

describe("remove()", () => {
  test("refuses while a container holds it, over a restart too", async () => {
    await create("data");
    volumes.hold("data", "c1");
    volumes.hold("data", "c1");
    reopen();
    expect(volumes.users("data")).toEqual(["c1"]);
    await expect(volumes.remove("data", { force: true, caller })).rejects.toThrow(
      "remove data: volume is in use - [c1]",
    );
    volumes.release("data", "c1");
    await volumes.remove("data", { force: false, caller });
    expect(existsSync(join(root, "volumes/data"))).toBe(false);
    expect(said()).toEqual(["create data", "destroy data"]);
  });

  test("of an unknown volume fails with Docker's text, or is nothing with force", async () => {
    await expect(volumes.remove("none", { force: false, caller })).rejects.toThrow("get none: no such volume");
    await volumes.remove("none", { force: true, caller });
  });

  test("that was cut is finished at the next start", async () => {
    const { mountpoint } = await create("data");
    writeFileSync(join(mountpoint, "file"), "x");
    process.env["BERTH_FAULT"] = "volume.remove.row=fail";
    await volumes.remove("data", { force: false, caller }).catch(() => {});
    delete process.env["BERTH_FAULT"];
    reopen();
    expect(volumes.list()).toEqual([]);
    const again = await create("data");
    expect(existsSync(join(again.mountpoint, "file"))).toBe(false);
  });

  test("never deletes what a bind mounted there, even when the unmount was cut", async () => {
    const host = join(root, "host");
    mkdirSync(host);
    writeFileSync(join(host, "precious"), "x");
    await create("bound", { type: "none", o: "bind", device: host });
    await volumes.mount("bound", "c1");
    process.env["BERTH_FAULT"] = "volume.remove.row=fail";
    await volumes.remove("bound", { force: false, caller }).catch(() => {});
    delete process.env["BERTH_FAULT"];
    reopen();
    await volumes.reconcile({ known: new Set(), running: new Set() });
    await until(
      () =>
        !new Bun.Glob(".removed-*").scanSync({ cwd: join(root, "volumes"), dot: true, onlyFiles: false }).next().value,
    );
    expect(readFileSync(join(host, "precious"), "utf8")).toBe("x");
  });

  test("deletes trees deeper than a path can be named", async () => {
    const { mountpoint } = await create("deep");
    const script =
      'cd "$1" && i=0; while [ $i -lt 600 ]; do mkdir dddddddddd && cd -P dddddddddd || exit 1; i=$((i+1)); done';
    expect(Bun.spawnSync(["/bin/sh", "-c", script, "sh", mountpoint]).exitCode).toBe(0);
    await volumes.remove("deep", { force: false, caller });
    await until(() => Bun.spawnSync(["/bin/ls", "-A", join(root, "volumes")]).stdout.toString() === "");
  });
});

describe("mount()", () => {
  test("of a plain folder mounts nothing", async () => {
    const { mountpoint } = await create("plain");
    expect(await volumes.mount("plain", "c1")).toBe(mountpoint);
    expect(isMounted(mountpoint)).toBe(false);
  });

  test("of a tmpfs is shared by its users, also over a restart, and goes with the last", async () => {
    const { mountpoint } = await create("ram", { type: "tmpfs", device: "tmpfs", o: "size=1m,noexec,mode=700" });
    await volumes.mount("ram", "c1");
    writeFileSync(join(mountpoint, "file"), "x");
    reopen();
    await volumes.mount("ram", "c2");
    expect(existsSync(join(mountpoint, "file"))).toBe(true);
    expect(
      readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .find((line) => line.includes(mountpoint)),
    ).toMatch(/noexec.*tmpfs.*size=1024k/);
    await volumes.unmount("ram", "c1");
    expect(isMounted(mountpoint)).toBe(true);
    await volumes.unmount("ram", "c2");
    await volumes.unmount("ram", "c2");
    expect(isMounted(mountpoint)).toBe(false);
  });

  test("of a device that is not there fails with Docker's text and leaves no user", async () => {
    const { mountpoint } = await create("bad", { type: "none", o: "bind", device: "/no/such" });
    await expect(volumes.mount("bad", "c1")).rejects.toThrow(
      `error while mounting volume '${mountpoint}': failed to mount local volume: mount /no/such:${mountpoint}, flags: 0x1000: no such file or directory`,
    );
    await expect(volumes.mount("bad", "c1")).rejects.toMatchObject({ kind: "invalid" });
  });

  test("tells the event when the use is told", async () => {
    await create("plain");
    await volumes.mount("plain", "c1", { destination: "/data", readOnly: true, propagation: "", caller });
    await volumes.unmount("plain", "c1", { caller });
    expect(lab.events.slice(1).map(({ action, attributes }) => [action, attributes])).toEqual([
      ["mount", { driver: "local", container: "c1", destination: "/data", "read/write": "false", propagation: "" }],
      ["unmount", { driver: "local", container: "c1" }],
    ]);
  });

  test("left by containers that do not run is undone by reconcile()", async () => {
    const { mountpoint } = await create("ram", { type: "tmpfs", device: "tmpfs" });
    await volumes.mount("ram", "gone");
    volumes.hold("ram", "gone");
    volumes.hold("ram", "stopped");
    reopen();
    await volumes.reconcile({ known: new Set(["stopped"]), running: new Set() });
    expect([isMounted(mountpoint), volumes.users("ram")]).toEqual([false, ["stopped"]]);
  });
});

describe("populate()", () => {
  function rootfs(): string {
    const rootfs = join(root, "rootfs");
    mkdirSync(join(rootfs, "data/sub"), { recursive: true });
    writeFileSync(join(rootfs, "data/file"), "hello");
    linkSync(join(rootfs, "data/file"), join(rootfs, "data/sub/hard"));
    symlinkSync("/etc/passwd", join(rootfs, "data/link"));
    chownSync(join(rootfs, "data"), 33, 44);
    chmodSync(join(rootfs, "data"), 0o2750);
    chownSync(join(rootfs, "data/file"), 1000, 1001);
    chmodSync(join(rootfs, "data/file"), 0o4711);
    setXattr(join(rootfs, "data/file"), "user.colour", Buffer.from([0xff, 0x00, 0x7f]));
    return rootfs;
  }

  test("fills an empty volume with owners, modes, links, and the folder's own attributes", async () => {
    const { mountpoint } = await create("data");
    await volumes.populate("data", rootfs(), "/data");
    const file = lstatSync(join(mountpoint, "file"));
    expect([file.uid, file.gid, file.mode & 0o7777, file.nlink]).toEqual([1000, 1001, 0o4711, 2]);
    expect(lstatSync(join(mountpoint, "sub/hard")).ino).toBe(file.ino);
    expect(readlinkSync(join(mountpoint, "link"))).toBe("/etc/passwd");
    expect(getXattr(join(mountpoint, "file"), "user.colour")).toEqual(Buffer.from([0xff, 0x00, 0x7f]));
    const folder = statSync(mountpoint);
    expect([folder.uid, folder.gid, folder.mode & 0o7777]).toEqual([33, 44, 0o2750]);
  });

  test("leaves a volume alone that holds something", async () => {
    const { mountpoint } = await create("data");
    writeFileSync(join(mountpoint, "mine"), "x");
    await volumes.populate("data", rootfs(), "/data");
    expect(existsSync(join(mountpoint, "file"))).toBe(false);
  });

  test("does nothing for a folder the image does not have, or that is a file", async () => {
    const { mountpoint } = await create("data");
    const fs = rootfs();
    await volumes.populate("data", fs, "/none/at/all");
    await volumes.populate("data", fs, "/data/file");
    expect([...new Bun.Glob("**").scanSync({ cwd: mountpoint, dot: true })]).toEqual([]);
  });

  test.each(["/etc", "../../../../../../../../etc", "/proc/self/root/etc"])(
    "a link of the image to %j does not lead out of it",
    async (target) => {
      const fs = rootfs();
      symlinkSync(target, join(fs, "trap"));
      const { mountpoint } = await create("data");
      await volumes.populate("data", fs, "/trap").catch(() => {});
      expect(existsSync(join(mountpoint, "passwd"))).toBe(false);
    },
  );

  test("that was cut begins again at the next start", async () => {
    const { mountpoint } = await create("data");
    process.env["BERTH_FAULT"] = "volume.populate.row=fail";
    await volumes.populate("data", rootfs(), "/data").catch(() => {});
    delete process.env["BERTH_FAULT"];
    writeFileSync(join(mountpoint, "file"), "hel"); // half of it
    reopen();
    await volumes.populate("data", join(root, "rootfs"), "/data");
    expect(readFileSync(join(mountpoint, "file"), "utf8")).toBe("hello");
  });
});

test("populate() of more than the volume has room for says so, leaves nothing of it, and may be tried again", async () => {
  const rootfs = join(root, "rootfs");
  mkdirSync(join(rootfs, "data"), { recursive: true });
  writeFileSync(join(rootfs, "data/big"), Buffer.alloc(40 * 1024 * 1024, 1));
  await create("tiny", { size: "16m" });
  const path = await volumes.mount("tiny", "c1");
  const failed = await volumes.populate("tiny", rootfs, "/data").then(
    () => "no error",
    (error: unknown) => String(error),
  );
  expect(failed).toContain("no space left on device");
  expect(readdirSync(path)).toEqual([]);
  writeFileSync(join(rootfs, "data/big"), "small now");
  await volumes.populate("tiny", rootfs, "/data");
  expect(readFileSync(join(path, "big"), "utf8")).toBe("small now");
  await volumes.unmount("tiny", "c1");
});

test("usage() counts the bytes of files, and prune() takes what nobody holds", async () => {
  const { mountpoint } = await create("big");
  writeFileSync(join(mountpoint, "file"), Buffer.alloc(100_000));
  expect(await volumes.usage("big")).toBeGreaterThanOrEqual(100_000);
  const held = await create("");
  volumes.hold(held.name, "c1");
  const free = await create("");
  expect(await volumes.prune({ all: false, labels: () => true, caller })).toMatchObject({ removed: [free.name] });
  const { removed, reclaimedBytes } = await volumes.prune({ all: true, labels: () => true, caller });
  expect(removed).toEqual(["big"]);
  expect(reclaimedBytes).toBeGreaterThanOrEqual(100_000);
  expect(volumes.list().map(({ name }) => name)).toEqual([held.name]);
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("did not happen in 10 s");
    await Bun.sleep(10);
  }
}
