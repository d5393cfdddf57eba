import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { errorMessage } from "../base/errors.ts";
import { mounts } from "../kernel/mount.ts";
import { getXattr, setXattr } from "../kernel/xattr.ts";
import { engineCaller as caller } from "../spec/caller.ts";
import { samplePlugin } from "../../test/harness/volume-plugin.ts";
import { VolumeLab } from "./volumes.fixture.ts";

let lab: VolumeLab;
beforeEach(() => {
  lab = new VolumeLab();
});
afterEach(() => lab[Symbol.asyncDispose]());

const at = (name: string): string => lab.volumes.get(name).mountpoint;
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "no error",
    (error: unknown) => errorMessage(error),
  );
/** cap_net_raw+ep, linux/capability.h: struct vfs_cap_data of revision 2 */
const netRaw = Buffer.from("0100000200200000000000000000000000000000", "hex");
/** A volume with something of everything. */
async function filled(name: string): Promise<string> {
  const { mountpoint } = await lab.volumes.create({ name, labels: { a: "1" }, caller });
  mkdirSync(join(mountpoint, "sub"));
  writeFileSync(join(mountpoint, "file"), "content", { mode: 0o640 });
  chownSync(join(mountpoint, "file"), 1000, 1001);
  linkSync(join(mountpoint, "file"), join(mountpoint, "sub/hard"));
  symlinkSync("/etc/passwd", join(mountpoint, "link"));
  setXattr(join(mountpoint, "file"), "user.colour", Buffer.from("red"));
  setXattr(join(mountpoint, "file"), "security.capability", netRaw);
  Bun.spawnSync(["mknod", join(mountpoint, "null"), "c", "1", "3"]);
  Bun.spawnSync(["mkfifo", join(mountpoint, "fifo")]);
  Bun.spawnSync(["truncate", "-s", "10M", join(mountpoint, "holes")]);
  utimesSync(join(mountpoint, "sub"), 1_000_000_000, 1_000_000_000);
  return mountpoint;
}
/** Everything of a tree but access times, as text. */
const picture = (folder: string): string =>
  ["user.colour", "security.capability"]
    .map((name) => getXattr(join(folder, "file"), name)?.toString("hex") ?? `no ${name}`)
    .join(" ") +
  Bun.spawnSync([
    "sh",
    "-c",
    `cd "$1" && find . -printf '%P %y %m %U %G %n %s %T@ %l\\n' | sort; cat file; stat -c %b holes; stat -c %t null`,
    "sh",
    folder,
  ]).stdout.toString();
const only = (text: string) => Readable.from([Buffer.from(text)]);

describe("copy()", () => {
  test("makes the same content, owners, links, devices, holes and labels under another name", async () => {
    const source = await filled("from");
    const made = await lab.volumes.copy("from", { to: "into", caller });
    expect(picture(made.mountpoint)).toBe(picture(source));
    expect(made.labels).toEqual({ a: "1" });
    expect(lstatSync(join(made.mountpoint, "file")).ino).toBe(lstatSync(join(made.mountpoint, "sub/hard")).ino);
    expect(lab.events.map(({ action, id }) => `${action} ${id}`)).toEqual(["create from", "create into", "copy into"]);
  });

  test("refuses a name that is taken or none, and a source that is not there", async () => {
    await filled("from");
    expect(await refusal(lab.volumes.copy("from", { to: "from", caller }))).toContain(
      "copy from: the volume from exists already",
    );
    expect(await refusal(lab.volumes.copy("from", { to: "../x", caller }))).toContain("includes invalid characters");
    expect(await refusal(lab.volumes.copy("none", { to: "xx", caller }))).toContain("get none: no such volume");
    expect(lab.volumes.list().map(({ name }) => name)).toEqual(["from"]);
  });

  test("into a volume that is too small fails and leaves nothing", async () => {
    writeFileSync(join(await filled("from"), "big"), Buffer.alloc(40 * 1024 * 1024, 1));
    const text = await refusal(lab.volumes.copy("from", { to: "small", options: { size: "16m" }, caller }));
    expect(text).toContain("no space left on device");
    expect(lab.volumes.list()).toHaveLength(1);
    expect(mounts({ under: lab.root })).toEqual([]);
    expect(Bun.spawnSync(["losetup", "-a"]).stdout.toString()).not.toContain(lab.root);
  });

  test("that is cancelled leaves nothing", async () => {
    await filled("from");
    for (let index = 0; index < 300; index++) writeFileSync(join(at("from"), `f${index}`), "x");
    const abort = new AbortController();
    const copying = refusal(lab.volumes.copy("from", { to: "into", caller, signal: abort.signal }));
    abort.abort();
    expect(await copying).toContain("cancelled");
    expect(lab.volumes.list()).toHaveLength(1);
  });

  test.each([
    "volume.create.row",
    "volume.create.made",
    "volume.copy.copied",
    "volume.replace.made",
    "volume.replace.exchanged",
  ])("cut at %s leaves nothing, and the name is free", async (point) => {
    const source = await filled("from");
    await lab.cutAt(point, () => lab.volumes.copy("from", { to: "into", caller }));
    expect(lab.volumes.list().map(({ name }) => name)).toEqual(["from"]);
    const made = await lab.volumes.copy("from", { to: "into", caller });
    expect(picture(made.mountpoint)).toBe(picture(source));
  });
});

describe("snapshots", () => {
  test("keep the content, are put back whole, and go with the volume", async () => {
    const path = await filled("data");
    const before = picture(path);
    const made = await lab.volumes.snapshot("data", { name: "one", labels: { why: "test" }, caller });
    expect([made.name, made.labels]).toEqual(["one", { why: "test" }]);
    writeFileSync(join(path, "file"), "changed");
    writeFileSync(join(path, "new"), "x");
    await lab.volumes.restore("data", { snapshot: "one", caller });
    expect(picture(at("data"))).toBe(before);
    await lab.volumes.snapshot("data", { name: "", caller });
    expect(lab.volumes.snapshots("data").map(({ name }) => name)).toEqual([
      "one",
      expect.stringMatching(/^snap-\d{8}T\d{6}Z$/),
    ]);
    const copied = await lab.volumes.copy("data", { to: "old", snapshot: "one", caller });
    expect(picture(copied.mountpoint)).toBe(before);
    await lab.volumes.removeSnapshot("data", "one", caller);
    expect(await refusal(lab.volumes.restore("data", { snapshot: "one", caller }))).toContain(
      "volume data has no snapshot one",
    );
    await lab.volumes.remove("data", { force: false, caller });
    await lab.volumes.create({ name: "data", caller });
    expect(lab.volumes.snapshots("data")).toEqual([]);
  });

  test("are kept over a restart, counted, and not made twice", async () => {
    await filled("data");
    await lab.volumes.snapshot("data", { name: "one", caller });
    expect(await refusal(lab.volumes.snapshot("data", { name: "one", caller }))).toContain(
      "has a snapshot one already",
    );
    expect(await refusal(lab.volumes.snapshot("data", { name: "../one", caller }))).toContain("invalid characters");
    lab.reopen();
    await lab.volumes.reconcile({ known: new Set(), running: new Set() });
    expect(lab.volumes.snapshots("data")).toHaveLength(1);
    const [size] = await lab.volumes.sizes("data");
    expect(size).toMatchObject({ name: "data", limitBytes: 0, snapshots: 1, users: [] });
    expect(size?.snapshotBytes).toBeGreaterThan(7);
  });

  test("are not put back under a running container", async () => {
    await filled("data");
    await lab.volumes.snapshot("data", { name: "one", caller });
    await lab.volumes.mount("data", "c1");
    expect(await refusal(lab.volumes.restore("data", { snapshot: "one", caller }))).toBe(
      "restore data: volume is in use - [c1]",
    );
    await lab.volumes.unmount("data", "c1");
    await lab.volumes.restore("data", { snapshot: "one", caller });
    lab.volumes.hold("data", "c2");
    lab.reopen();
    await lab.volumes.reconcile({ known: new Set(["c2"]), running: new Set(["c2"]) });
    expect(await refusal(lab.volumes.restore("data", { snapshot: "one", caller }))).toContain(
      "volume is in use - [c2]",
    );
  });

  test("of a volume with a size are put back in it", async () => {
    await lab.volumes.create({ name: "data", options: { size: "16m" }, caller });
    const path = await lab.volumes.mount("data", "c1");
    writeFileSync(join(path, "file"), "kept");
    await lab.volumes.unmount("data", "c1");
    await lab.volumes.snapshot("data", { name: "one", caller });
    await lab.volumes.mount("data", "c1");
    writeFileSync(join(path, "file"), "changed");
    await lab.volumes.unmount("data", "c1");
    await lab.volumes.restore("data", { snapshot: "one", caller });
    await lab.volumes.mount("data", "c1");
    expect(readFileSync(join(path, "file"), "utf8")).toBe("kept");
    await lab.volumes.unmount("data", "c1");
    expect(mounts({ under: lab.root })).toEqual([]);
  });

  test.each(["volume.snapshot.row", "volume.snapshot.copied"])("cut at %s leave nothing", async (point) => {
    await filled("data");
    await lab.cutAt(point, () => lab.volumes.snapshot("data", { name: "one", caller }));
    expect(lab.volumes.snapshots("data")).toEqual([]);
    expect(readdirSync(join(lab.root, "volumes/data")).filter((name) => name.startsWith(".draft"))).toEqual([]);
    await lab.volumes.snapshot("data", { name: "one", caller });
  });

  test.each([
    ["volume.replace.made", "changed"],
    ["volume.replace.exchanged", "content"],
  ])("a restore cut at %s is whole on one side", async (point, wanted) => {
    const path = await filled("data");
    await lab.volumes.snapshot("data", { name: "one", caller });
    writeFileSync(join(path, "file"), "changed");
    await lab.cutAt(point, () => lab.volumes.restore("data", { snapshot: "one", caller }));
    expect(readFileSync(join(at("data"), "file"), "utf8")).toBe(wanted);
    expect(readdirSync(join(lab.root, "volumes/data")).sort()).toEqual(["_data", "snapshots"]);
  });

  test("removal that was cut is finished", async () => {
    await filled("data");
    await lab.volumes.snapshot("data", { name: "one", caller });
    await lab.cutAt("volume.snapshot.removing", () => lab.volumes.removeSnapshot("data", "one", caller));
    expect(lab.volumes.snapshots("data")).toEqual([]);
    expect(existsSync(join(lab.root, "volumes/data/snapshots/one"))).toBe(false);
  });
});

describe("rename()", () => {
  test("keeps content, holds, snapshots and open files", async () => {
    const before = picture(await filled("old"));
    lab.volumes.hold("old", "c1");
    await lab.volumes.snapshot("old", { name: "one", caller });
    const renamed = await lab.volumes.rename("old", "new", caller);
    expect(picture(renamed.mountpoint)).toBe(before);
    expect([lab.volumes.users("new"), lab.followed]).toEqual([["c1"], ["old new"]]);
    expect(lab.volumes.snapshots("new")).toHaveLength(1);
    expect(await refusal(lab.volumes.remove("new", { force: true, caller }))).toBe(
      "remove new: volume is in use - [c1]",
    );
    lab.reopen();
    expect(lab.volumes.list().map(({ name }) => name)).toEqual(["new"]);
    await lab.volumes.restore("new", { snapshot: "one", caller });
  });

  test("of a mounted volume keeps its mount, which its last user undoes", async () => {
    await lab.volumes.create({ name: "old", options: { size: "16m" }, caller });
    writeFileSync(join(await lab.volumes.mount("old", "c1"), "file"), "x");
    const renamed = await lab.volumes.rename("old", "new", caller);
    expect(readFileSync(join(renamed.mountpoint, "file"), "utf8")).toBe("x");
    await lab.volumes.unmount("new", "c1");
    expect(mounts({ under: lab.root })).toEqual([]);
  });

  test("refuses names that are taken or bad; two that cross both end", async () => {
    await filled("one");
    await lab.volumes.create({ name: "two", caller });
    expect(await refusal(lab.volumes.rename("one", "two", caller))).toContain("the volume two exists already");
    expect(await refusal(lab.volumes.rename("one", "a/b", caller))).toContain("invalid characters");
    const results = await Promise.all([
      refusal(lab.volumes.rename("one", "two", caller)),
      refusal(lab.volumes.rename("two", "one", caller)),
    ]);
    expect(results.every((text) => text.includes("exists already"))).toBe(true);
  });

  test.each(["volume.rename.row", "volume.rename.folder"])("cut at %s is finished at the next start", async (point) => {
    const before = picture(await filled("old"));
    lab.volumes.hold("old", "c1");
    await lab.cutAt(point, () => lab.volumes.rename("old", "new", caller), ["c1"]);
    expect(lab.volumes.list().map(({ name }) => name)).toEqual(["new"]);
    expect([picture(at("new")), lab.volumes.users("new")]).toEqual([before, ["c1"]]);
  });
});

describe("export() and import()", () => {
  test("carry the whole content", async () => {
    const before = picture(await filled("data"));
    const made = await lab.volumes.import("again", await lab.volumes.export("data", { caller }), {
      replace: false,
      caller,
    });
    expect(picture(made.mountpoint)).toBe(before);
  });

  test("a volume that is being exported is not removed, and is free when the reader goes", async () => {
    writeFileSync(join(await filled("data"), "big"), Buffer.alloc(8 * 1024 * 1024));
    const tar = await lab.volumes.export("data", { caller });
    expect(await refusal(lab.volumes.remove("data", { force: true, caller }))).toContain("the volume is busy: an");
    tar.destroy();
    const deadline = Date.now() + 5000;
    while ((await refusal(lab.volumes.remove("data", { force: true, caller }))) !== "no error") {
      if (Date.now() > deadline) throw new Error("it is busy for ever");
      await Bun.sleep(5); // between two looks
    }
  });

  test("content is replaced when asked, in one step, and a broken archive changes nothing", async () => {
    const before = picture(await filled("data"));
    const other = await filled("other");
    writeFileSync(join(other, "file"), "other");
    const again = () => lab.volumes.export("other", { caller });
    expect(await refusal(lab.volumes.import("data", await again(), { replace: false, caller }))).toContain(
      "has content",
    );
    expect(await refusal(lab.volumes.import("data", only("no archive at all"), { replace: true, caller }))).toContain(
      "broken",
    );
    expect(picture(at("data"))).toBe(before);
    expect(await refusal(lab.volumes.import("fresh", only("no archive at all"), { replace: false, caller }))).toContain(
      "broken",
    );
    expect(lab.volumes.list().map(({ name }) => name)).toEqual(["data", "other"]);
    await lab.volumes.import("data", await again(), { replace: true, caller });
    expect(picture(at("data"))).toBe(picture(other));
  });

  test.each(["volume.import.unpacked", "volume.replace.made"])("an import cut at %s changes nothing", async (point) => {
    const before = picture(await filled("data"));
    await filled("other");
    await lab.cutAt(point, async () =>
      lab.volumes.import("data", await lab.volumes.export("other", { caller }), { replace: true, caller }),
    );
    expect(picture(at("data"))).toBe(before);
  });

  test("fills a tmpfs that is empty, and leaves one that is not", async () => {
    await filled("data");
    await lab.volumes.create({ name: "ram", options: { type: "tmpfs", device: "tmpfs" }, caller });
    const path = await lab.volumes.mount("ram", "c1");
    await lab.volumes.unmount("ram", "c1");
    expect(
      await refusal(lab.volumes.import("ram", await lab.volumes.export("data", { caller }), { replace: true, caller })),
    ).toBe("no error");
    expect([readdirSync(path), mounts({ under: lab.root })]).toEqual([[], []]); // a tmpfs forgets with its last user
  });
});

describe("what is protected, limited, or a plugin's", () => {
  test("a protected volume is not pruned, and removed by force alone", async () => {
    await lab.volumes.create({ name: "safe", labels: { protected: "" }, caller });
    await lab.volumes.create({ name: "open", labels: { protected: "false" }, caller });
    expect((await lab.volumes.prune({ all: true, labels: () => true, caller })).removed).toEqual(["open"]);
    expect(await refusal(lab.volumes.remove("safe", { force: false, caller }))).toContain(
      'remove safe: volume is protected by its label "protected"',
    );
    await lab.volumes.remove("safe", { force: true, caller });
  });

  test("labels and sizes change, and are kept", async () => {
    await lab.volumes.create({ name: "data", options: { size: "16m" }, labels: { a: "1" }, caller });
    await lab.volumes.update("data", { labels: { b: "2" }, limitBytes: 32 * 1024 * 1024, caller });
    lab.reopen();
    expect(lab.volumes.get("data").labels).toEqual({ b: "2" });
    expect(await lab.volumes.sizes()).toMatchObject([{ name: "data", limitBytes: 32 * 1024 * 1024 }]);
    await lab.volumes.create({ name: "plain", caller });
    expect(await refusal(lab.volumes.update("plain", { limitBytes: 1e9, caller }))).toContain("made without a size");
  });

  test("volumes of a plugin are made, found, listed with a warning when it is gone, and kept when it refuses", async () => {
    await using plugin = await samplePlugin(join(lab.root, "plugins"), join(lab.root, "plugin"), "sample");
    const { volumes } = lab;
    const made = await volumes.create({ name: "theirs", driver: "sample", caller });
    expect([made.scope, made.mountpoint]).toEqual(["global", join(plugin.folder, "volumes/theirs")]);
    await fetch("http://p/VolumeDriver.Create", {
      method: "POST",
      unix: join(lab.root, "plugins/sample.sock"),
      body: '{"Name":"foreign"}',
    });
    expect((await volumes.listAll()).volumes.map(({ name }) => name)).toEqual(["foreign", "theirs"]);
    expect(await volumes.inspect("foreign")).toMatchObject({ driver: "sample", status: { users: 0 } });
    expect(await refusal(volumes.create({ name: "theirs", driver: "local", caller }))).toContain(
      "volume name must be unique",
    );
    expect(await volumes.mount("theirs", "c1")).toBe(made.mountpoint);
    await volumes.mount("theirs", "c2");
    await volumes.unmount("theirs", "c1");
    expect((await volumes.inspect("theirs")).status).toEqual({ users: 1 });
    await volumes.unmount("theirs", "c2");
    await volumes.create({ name: "stuck", driver: "sample", options: { behave: "fail-Remove" }, caller });
    expect(await refusal(volumes.remove("stuck", { force: true, caller }))).toBe(
      "remove stuck: VolumeDriver.Remove: it is locked",
    );
    expect(volumes.get("stuck").driver).toBe("sample");
    expect(
      await refusal(volumes.create({ name: "half", driver: "sample", options: { behave: "half-Create" }, caller })),
    ).toContain("it broke after it was made");
    expect(await refusal(volumes.inspect("half"))).toContain("no such volume");
    await lab.cutAt("volume.remove.row", () => volumes.remove("theirs", { force: false, caller }));
    expect(await refusal(lab.volumes.inspect("theirs"))).toContain("no such volume");
    await lab.cutAt("volume.create.made", () => lab.volumes.create({ name: "cut", driver: "sample", caller }));
    expect(await refusal(lab.volumes.inspect("cut"))).toContain("no such volume");
    await plugin.kill();
    const { volumes: left, warnings } = await lab.volumes.listAll();
    expect(left.map(({ name }) => name)).toEqual(["foreign", "stuck"]);
    expect(warnings.join()).toContain("sample");
  });

  test("a mount for a container that is gone is undone at a plugin too", async () => {
    await using plugin = await samplePlugin(join(lab.root, "plugins"), join(lab.root, "plugin"), "sample");
    await lab.volumes.create({ name: "theirs", driver: plugin.name, caller });
    await lab.volumes.mount("theirs", "gone");
    lab.reopen();
    await lab.volumes.reconcile({ known: new Set(), running: new Set() });
    expect((await lab.volumes.inspect("theirs")).status).toEqual({ users: 0 });
  });
});
