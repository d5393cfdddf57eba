import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMounted, unmountAll } from "../kernel/mount.ts";
import { tarOf, type Member } from "./apply/tar-fixture.ts";
import type { LayerStore } from "./layers.ts";
import type { Snapshotter } from "./snapshotter.ts";

const sha256 = (text: string | Buffer): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;

/** What every snapshotter does, whatever it is made of. `open` is called again on the same folder for a restart. */
export function snapshotterConformance(
  name: string,
  open: (dataRoot: string) => Promise<Snapshotter & LayerStore>,
): void {
  describe(`snapshotter ${name}`, () => {
    let dir = "";
    let target = "";
    let driver: Snapshotter & LayerStore;
    beforeEach(async () => {
      dir = mkdtempSync(join(tmpdir(), "berth-snap-"));
      target = join(dir, "mnt");
      mkdirSync(target);
      driver = await open(dir);
    });
    afterEach(async () => {
      unmountAll(target);
      await driver.settled();
      rmSync(dir, { recursive: true, force: true });
    });

    async function layer(parent: string | undefined, ...members: Member[]): Promise<string> {
      const tar = tarOf(...members);
      async function* source(): AsyncGenerator<Buffer> {
        yield tar;
      }
      await using staged = await driver.stage(source(), { parent });
      const chainId = parent === undefined ? staged.applied.diffId : sha256(`${parent} ${staged.applied.diffId}`);
      await staged.commit(chainId);
      return chainId;
    }
    async function twoLayers(): Promise<string[]> {
      const base = await layer(
        undefined,
        { name: "./", type: "folder", mode: 0o751, uid: 5 },
        { name: "etc/", type: "folder", mode: 0o755 },
        { name: "etc/a", content: "a" },
        { name: "etc/b", content: "b" },
        { name: "var/x/y", content: "y" },
      );
      return [
        base,
        await layer(
          base,
          { name: "etc/", type: "folder", mode: 0o755 },
          { name: "etc/.wh.a" },
          { name: "etc/c", content: "c" },
          { name: "var/x/.wh..wh..opq" },
          { name: "var/x/z", content: "z" },
        ),
      ];
    }
    async function mounted(key: string, chain: readonly string[]): Promise<void> {
      await driver.prepare(key, chain);
      await driver.mount(key, target);
    }

    test("a writable snapshot shows its layers, whiteouts done, with the image's own root folder", async () => {
      await mounted("c1", await twoLayers());
      expect(
        readdirSync(join(target, "etc"))
          .filter((name) => name.length === 1)
          .sort(),
      ).toEqual(["b", "c"]);
      expect(readdirSync(join(target, "var/x"))).toEqual(["z"]);
      expect(statSync(target)).toMatchObject({ mode: 0o040751, uid: 5 });
    });

    test("places for the runtime's mounts are there, but are no change", async () => {
      await mounted("c1", await twoLayers());
      for (const place of [
        "dev/pts",
        "dev/shm",
        "dev/console",
        "proc",
        "sys",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
      ])
        expect(existsSync(join(target, place))).toBe(true);
      expect(await driver.changes("c1")).toEqual([]);
      expect(await driver.usage("c1")).toEqual({ bytes: 0, files: 0 });
    });

    test("two snapshots over one layer do not see each other, and the layer does not change", async () => {
      const chain = await twoLayers();
      await mounted("c1", chain);
      writeFileSync(join(target, "etc/b"), "changed");
      rmSync(join(target, "etc/c"));
      await driver.unmount(target);
      await mounted("c2", chain);
      expect(readFileSync(join(target, "etc/b"), "utf8")).toBe("b");
      expect(existsSync(join(target, "etc/c"))).toBe(true);
    });

    test("changes() and diffTar() tell what was added, modified and deleted", async () => {
      const chain = await twoLayers();
      await mounted("c1", chain);
      writeFileSync(join(target, "etc/b"), "changed");
      rmSync(join(target, "etc/c"));
      mkdirSync(join(target, "new/deep"), { recursive: true });
      writeFileSync(join(target, "new/deep/file"), "12345");
      rmSync(join(target, "var/x"), { recursive: true });
      mkdirSync(join(target, "var/x"));
      const expected = [
        { path: "/etc", kind: "modified" },
        { path: "/etc/b", kind: "modified" },
        { path: "/etc/c", kind: "deleted" },
        { path: "/new", kind: "added" },
        { path: "/new/deep", kind: "added" },
        { path: "/new/deep/file", kind: "added" },
        { path: "/var/x", kind: "modified" },
        { path: "/var/x/z", kind: "deleted" },
      ] as const;
      expect(await driver.changes("c1")).toEqual([...expected]);
      expect(await driver.usage("c1")).toEqual({ bytes: 12, files: 2 });

      // the archive over the same layers is the same tree again
      await using staged = await driver.stage(driver.diffTar("c1") as AsyncIterable<Buffer>, { parent: chain[1] });
      const top = sha256(`${chain[1]} ${staged.applied.diffId}`);
      await staged.commit(top);
      await driver.unmount(target);
      await mounted("c2", [...chain, top]);
      expect(readdirSync(join(target, "etc")).filter((name) => name.length === 1)).toEqual(["b"]);
      expect(readFileSync(join(target, "new/deep/file"), "utf8")).toBe("12345");
      expect(readdirSync(join(target, "var/x"))).toEqual([]);
    });

    test("prepare, mount, unmount and remove may be done twice", async () => {
      const chain = await twoLayers();
      await mounted("c1", chain);
      writeFileSync(join(target, "kept"), "x");
      await mounted("c1", chain);
      expect(readFileSync(join(target, "kept"), "utf8")).toBe("x");
      for (let time = 0; time < 2; time++) {
        await driver.unmount(target);
        expect(isMounted(target)).toBe(false);
      }
      await driver.remove("c1");
      await driver.remove("c1");
      await expect(driver.mount("c1", target)).rejects.toThrow("no writable snapshot c1");
    });

    test("after a restart layers and snapshots are as they were", async () => {
      const chain = await twoLayers();
      await mounted("c1", chain);
      writeFileSync(join(target, "kept"), "x");
      driver = await open(dir);
      await driver.mount("c1", target); // still there
      await driver.unmount(target);
      await driver.mount("c1", target);
      expect(readFileSync(join(target, "kept"), "utf8")).toBe("x");
      expect(chain.every((chainId) => driver.has(chainId))).toBe(true);
    });

    test("a layer goes with the last snapshot that needs it, also over a restart", async () => {
      const [base = "", top = ""] = await twoLayers();
      await driver.prepare("c1", [base, top]);
      for (const chainId of [top, base]) await driver.removeLayer(chainId);
      driver = await open(dir);
      for (const chainId of [top, base]) await driver.removeLayer(chainId); // as images do at each start
      await driver.mount("c1", target);
      expect(readFileSync(join(target, "etc/c"), "utf8")).toBe("c");
      await driver.unmount(target);
      await driver.remove("c1");
      expect([driver.has(base), driver.has(top), driver.layers()]).toEqual([false, false, []]);
    });

    test("a layer's archive is given back byte for byte", async () => {
      const tar = tarOf({ name: "a", content: "1" }, { name: "b", type: "symlink", linkName: "a" });
      async function* source(): AsyncGenerator<Buffer> {
        yield tar;
      }
      await using staged = await driver.stage(source(), { parent: undefined });
      await staged.commit(staged.applied.diffId);
      expect(
        Buffer.concat(await Array.fromAsync(driver.tar(staged.applied.diffId) as AsyncIterable<Buffer>)).equals(tar),
      ).toBe(true);
      expect(driver.size(staged.applied.diffId)).toMatchObject({
        sizeBytes: 2,
        tarBytes: tar.length,
        diffId: sha256(tar),
      });
    });

    test("what a snapshot changed becomes a layer in its place, whose archive has the digest that is told", async () => {
      const chainIds = await twoLayers();
      await driver.prepare("step", chainIds);
      await driver.mount("step", target);
      writeFileSync(join(target, "etc/new"), Buffer.alloc(70_000, 1));
      rmSync(join(target, "etc/b"));
      symlinkSync("new", join(target, "etc/link"));
      linkSync(join(target, "etc/new"), join(target, "etc/twice"));
      const inode = statSync(join(target, "etc/new")).ino;
      await driver.unmount(target);
      await using staged = await driver.adopt("step", { notAfterSeconds: 1_000_000_000 });
      expect(driver.keys()).not.toContain("step");
      const chainId = sha256(`${chainIds.at(-1)} ${staged.applied.diffId}`);
      await staged.commit(chainId, { parent: chainIds.at(-1) });
      const hash = createHash("sha256");
      for await (const bytes of driver.tar(chainId)) hash.update(bytes as Buffer);
      expect(`sha256:${hash.digest("hex")}`).toBe(staged.applied.diffId);
      await driver.view([...chainIds, chainId], target);
      expect(readdirSync(join(target, "etc")).sort()).toEqual(["c", "link", "new", "twice"]);
      expect(statSync(join(target, "etc/new"))).toMatchObject({ ino: inode, mtimeMs: 1_000_000_000_000 });
      expect(() => writeFileSync(join(target, "etc/x"), "")).toThrow("EROFS");
      await driver.unmount(target);
      // the same archive again, unpacked by somebody else
      await using again = await driver.stage(driver.tar(chainId), { parent: chainIds.at(-1) });
      expect(again.applied.diffId).toBe(staged.applied.diffId);
    });

    test("a view of no layers is an empty folder; a bare snapshot has no places for mounts", async () => {
      await driver.view([], target);
      expect(readdirSync(target)).toEqual([]);
      await driver.unmount(target);
      await driver.prepare("bare", [], { bare: true });
      await driver.mount("bare", target);
      expect(readdirSync(target)).toEqual([]);
      await driver.unmount(target);
    });

    test("a bad archive leaves nothing", async () => {
      const before = Bun.spawnSync(["find", dir, "-not", "-path", "*/trash/*"]).stdout.toString();
      async function* bad(): AsyncGenerator<Buffer> {
        yield tarOf({ name: "good", content: "x" }, { name: "../bad", content: "x" });
      }
      await expect(driver.stage(bad(), { parent: undefined })).rejects.toThrow("leads out");
      await driver.settled();
      expect(Bun.spawnSync(["find", dir, "-not", "-path", "*/trash/*"]).stdout.toString()).toBe(before);
      expect(driver.layers()).toEqual([]);
    });

    test("127 layers can be mounted, with a long data root", async () => {
      const deep = join(
        dir,
        "a-data-root-whose-path-is-rather-long-so-that-the-options-of-mount-do-not-fit-in-one-page",
      );
      mkdirSync(deep);
      driver = await open(deep);
      const chain: string[] = [];
      for (let index = 0; index < 127; index++)
        chain.push(await layer(chain.at(-1), { name: `f${index}`, content: String(index) }));
      await mounted("c1", chain);
      expect(readdirSync(target).filter((file) => /^f[0-9]+$/.test(file))).toHaveLength(127);
      await driver.unmount(target);
    });

    test("keys and chain ids are no paths", async () => {
      for (const key of ["../x", "a/b", "", "."])
        await expect(driver.prepare(key, [])).rejects.toThrow("invalid snapshot key");
      await expect(driver.prepare("c1", ["sha256:nope"])).rejects.toThrow("not in the store");
    });

    test("other users reach no file of an image", async () => {
      await twoLayers();
      const found = Bun.spawnSync([
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "find",
        join(dir, "snapshots"),
        "-name",
        "a",
      ]);
      expect(found.stdout.toString()).toBe("");
      expect(found.stderr.toString()).toContain("Permission denied");
    });
  });
}
