import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import { isMounted, unmountAll } from "../kernel/mount.ts";
import { type SamplePlugin, samplePlugin } from "../../test/harness/volume-plugin.ts";
import { volumeDriverConformance } from "./conformance.ts";
import type { VolumeDriver, VolumePlace } from "./driver.ts";
import { openDrivers, type VolumeDrivers } from "./drivers.ts";
import { local } from "./local/local.ts";

let root = "";
let plugin: SamplePlugin;
let drivers: VolumeDrivers;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "berth-drivers-"));
  plugin = await samplePlugin(join(root, "sockets"), join(root, "plugin"), "sample");
  drivers = openDrivers({
    folders: { sockets: [join(root, "sockets")], specs: [join(root, "specs")] },
    deadlines: { workMs: 700, askMs: 700 },
    forbidden: [join(root, "own")],
  });
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  unmountAll(root);
  rmSync(root, { recursive: true, force: true });
});
const device = (): string => {
  const path = join(root, "device");
  mkdirSync(path, { recursive: true });
  return path;
};

describe("conformance", () => {
  const home = { driver: () => Promise.resolve(local), root: () => join(root, "local") };
  volumeDriverConformance({ what: "local", ...home, options: {} });
  volumeDriverConformance({ what: "local with a size", ...home, options: { size: "16m" } });
  const tmpfs = { type: "tmpfs", device: "tmpfs", o: "size=1m" };
  volumeDriverConformance({ what: "local, tmpfs", ...home, options: tmpfs, forgets: true });
  volumeDriverConformance({
    what: "a plugin",
    driver: () => drivers.get("sample"),
    root: () => join(root, "none"),
    options: { any: "thing" },
  });
});

describe("local", () => {
  let count = 0;
  const place = (options: Record<string, string>): VolumePlace => {
    const name = `own-${count++}`;
    return { name, folder: join(root, "own", name), options };
  };
  const refusal = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "no error",
      (error: unknown) => errorMessage(error),
    );

  test("a bind of another folder shows its files and leaves them", async () => {
    writeFileSync(join(device(), "file"), "x");
    const bound = place({ type: "none", o: "bind,ro", device: device() });
    await local.create(bound);
    const path = await local.mount(bound, "one");
    expect(readFileSync(join(path, "file"), "utf8")).toBe("x");
    expect(() => writeFileSync(join(path, "more"), "")).not.toThrow(); // moby parity: mount(2) of a bind ignores ro
    await local.unmount(bound, "one", { last: true });
    expect(isMounted(path)).toBe(false);
    expect(existsSync(join(device(), "file"))).toBe(true);
  });

  test.each([
    ["nfs", "addr=127.0.0.1", "CONFIG_NFS_FS"],
    ["cifs", "addr=127.0.0.1,username=x", "CONFIG_CIFS"],
    ["nosuchfs", "", '"nosuchfs"'],
  ])("a %s volume says what the kernel lacks", async (type, o, words) => {
    if (readFileSync("/proc/filesystems", "utf8").split(/\s+/).includes(type)) return; // a kernel that has it tries the server
    const volume = place({ type, device: "127.0.0.1:/export", o });
    await local.create(volume);
    const text = await refusal(local.mount(volume, "one"));
    expect(text).toContain("no such device: this kernel lacks the file system type");
    expect(text).toContain(words);
  });

  test("a size is kept: what goes beyond has no room, and nothing is left of its loop device", async () => {
    const limited = place({ size: "16m" });
    await local.create(limited);
    const path = await local.mount(limited, "one");
    expect(() => writeFileSync(join(path, "big"), Buffer.alloc(32 * 1024 * 1024))).toThrow(/ENOSPC/);
    const inUse = (): string => Bun.spawnSync(["losetup", "-j", join(limited.folder, "disk.img")]).stdout.toString();
    expect(inUse()).not.toBe("");
    const grown = await refusal(local.resize(limited, 48 * 1024 * 1024));
    if (!mayGrowInUse()) {
      expect(grown).toContain("the volume cannot grow while it is in use");
      await local.unmount(limited, "one", { last: true });
      await local.resize(limited, 48 * 1024 * 1024);
      await local.mount(limited, "one");
    } else expect(grown).toBe("no error");
    writeFileSync(join(path, "big"), Buffer.alloc(32 * 1024 * 1024));
    expect(await refusal(local.resize(limited, 16 * 1024 * 1024))).toContain("can grow, but not shrink");
    rmSync(join(path, "big"));
    await local.unmount(limited, "one", { last: true });
    expect(inUse()).toBe("");
    await local.resize(limited, 24 * 1024 * 1024);
    expect(existsSync(await local.mount(limited, "two"))).toBe(true);
    await local.unmount(limited, "two", { last: true });
  });

  test("a volume that was let go while somebody still has a file open is the same one again", async () => {
    const limited = place({ size: "16m" });
    await local.create(limited);
    const path = await local.mount(limited, "one");
    const reader = Bun.spawn(["/bin/sh", "-c", `exec 3>${path}/open; echo ready; read _; echo late >&3`], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await reader.stdout.getReader().read();
    await local.unmount(limited, "one", { last: true });
    const again = await local.mount(limited, "two");
    await reader.stdin.write("go\n");
    await reader.stdin.end();
    await reader.exited;
    expect(readFileSync(join(again, "open"), "utf8")).toBe("late\n");
    await local.unmount(limited, "two", { last: true });
  });

  test.each([
    [{ size: "1m" }, "size is too small"],
    [{ size: "99999999p" }, "invalid size"],
    [{ size: "-1" }, "invalid size"],
  ])("%j cannot be made, and leaves nothing half-made", async (options: Record<string, string>, words) => {
    const bad = place(options);
    expect(
      await refusal(
        (async () => {
          local.validate(bad.options);
          await local.create(bad);
        })(),
      ),
    ).toContain(words);
    expect(existsSync(join(bad.folder, "disk.img"))).toBe(false);
  });
});

/** CAP_SYS_RESOURCE, bit 24. */
const mayGrowInUse = (): boolean =>
  (BigInt(`0x${/CapEff:\s+(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`) & (1n << 24n)) !== 0n;

describe("a plugin", () => {
  let sample: VolumeDriver;
  let count = 0;
  const place = (behave: string): VolumePlace => ({ name: `bad-${count++}`, folder: "", options: { behave } });
  beforeAll(async () => {
    sample = await drivers.get("sample");
  });
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => "no error",
      (error: unknown) => errorMessage(error),
    );

  test("says its scope, lists its volumes, and knows those that others made", async () => {
    const volume = place("");
    await sample.create(volume);
    expect(sample.scope).toBe("global");
    expect(await sample.list?.()).toContainEqual(
      expect.objectContaining({ name: volume.name, mountpoint: join(plugin.folder, "volumes", volume.name) }),
    );
    expect(await sample.inspect?.(volume)).toMatchObject({ status: { users: 0 } });
    expect(await sample.inspect?.({ ...volume, name: "unknown" })).toBeUndefined();
    await sample.remove(volume);
  });

  test("that hangs is given up at the deadline", async () => {
    const volume = place("hang-Mount");
    await sample.create(volume);
    const before = performance.now();
    expect(await refusal(sample.mount(volume, "one"))).toBe(
      "VolumeDriver.Mount: the plugin sample did not answer in time",
    );
    expect(performance.now() - before).toBeLessThan(5000);
    await sample.remove(volume);
  });

  test.each([
    ["lie:/no/such/folder", "there is no such folder"],
    ["lie:relative/path", "that is no absolute path"],
    ["lie:", "that is no path"],
    ["lie:/", "that holds the engine's own data"],
    ["lie:/etc/hostname", "that is no folder"],
  ])("that gives %j as mountpoint is not believed, and told to unmount", async (behave, words) => {
    const volume = place(behave);
    await sample.create(volume);
    expect(await refusal(sample.mount(volume, "one"))).toContain(words);
    expect(await sample.inspect?.(volume)).toMatchObject({ status: { users: 0 } });
    await sample.remove(volume);
  });

  test("that points at the engine's own folders is not believed", async () => {
    mkdirSync(join(root, "own/inside"), { recursive: true });
    for (const path of [join(root, "own"), join(root, "own/inside"), root]) {
      const volume = place(`lie:${path}`);
      await sample.create(volume);
      expect(await refusal(sample.mount(volume, "one"))).toContain("the engine's own data");
      await sample.remove(volume);
    }
  });

  test.each([
    ["fail-Create", "VolumeDriver.Create: the disks are full"],
    ["garbage-Create", "answered what is no JSON object"],
    ["flood-Create", "answers more than"],
  ])("that does %s is quoted, within bounds", async (behave, words) => {
    expect(await refusal(sample.create(place(behave)))).toContain(words);
  });

  test("that is not there any more is named, and found again when it is back", async () => {
    await plugin.kill();
    expect(await refusal(sample.create(place("")))).toContain("the plugin sample cannot be reached");
    await plugin.start();
    const volume = place("");
    await sample.create(volume);
    await sample.remove(volume);
  });

  test("is found by spec and json files, and files that say nothing usable are named", async () => {
    const specs = join(root, "specs");
    mkdirSync(specs, { recursive: true });
    const socket = join(root, "sockets/sample.sock");
    writeFileSync(join(specs, "by-spec.spec"), `unix://${socket}\n`);
    writeFileSync(join(specs, "by-json.json"), JSON.stringify({ Name: "by-json", Addr: `unix://${socket}` }));
    writeFileSync(join(specs, "broken.json"), "{");
    writeFileSync(join(specs, "odd.spec"), "gopher://x");
    chmodSync(join(specs, "odd.spec"), 0o644);
    expect((await drivers.get("by-spec")).name).toBe("by-spec");
    expect((await drivers.get("by-json")).scope).toBe("global");
    expect(await refusal(drivers.get("broken"))).toContain("broken.json cannot be used");
    expect(await refusal(drivers.get("odd"))).toContain("unknown protocol");
    expect(await refusal(drivers.get("../sockets/sample"))).toContain("not found");
    const { drivers: found, warnings } = await drivers.withBooks();
    expect(found.map(({ name }) => name).sort()).toEqual(["by-json", "by-spec", "sample"]);
    expect(warnings).toHaveLength(2);
  });
});
