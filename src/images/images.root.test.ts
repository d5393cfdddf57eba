import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tarOf } from "../snapshots/apply/tar-fixture.ts";
import { busyboxRootfs } from "../../test/fixtures/busybox-tar.ts";
import { sha256 } from "./chain-id.ts";
import type { Images, InUse } from "./images.ts";
import {
  actions,
  caller,
  db,
  fixture,
  fixtureIds,
  images,
  importOptions,
  importTar,
  layers,
  load,
  nothingLeft,
  remove,
  rootfs,
  start,
  useLab,
} from "./images-lab.ts";

useLab();

test.each([
  ["plain", (tar: Buffer) => tar],
  ["gzip", (tar: Buffer) => gzipSync(tar)],
  ["zstd", (tar: Buffer) => zstdCompressSync(tar)],
])("import of a %s tar makes an image of one layer", async (_name, pack) => {
  const image = await importTar(pack(rootfs()), {
    repository: "site",
    tag: "1",
    changes: ['CMD ["sh"]', "ENV A=1"],
    platform: "linux/arm64/v8",
  });
  expect(image).toMatchObject({
    references: ["site:1"],
    sizeBytes: 5,
    chainIds: [sha256(rootfs())],
    config: {
      os: "linux",
      architecture: "arm64",
      variant: "v8",
      config: { Cmd: ["sh"], Env: ["A=1"] },
      rootfs: { diff_ids: [sha256(rootfs())] },
      history: [{ comment: "Imported from -" }],
    },
  });
  expect(images.history("site:1")).toMatchObject([
    { imageId: image.id, layerBytes: 5, comment: "Imported from -", references: ["site:1"] },
  ]);
  expect(actions()).toEqual(["tag site:1", `import ${image.id}`]);
});

test.each<[string, () => Buffer, Partial<Parameters<Images["import"]>[1]>, string]>([
  ["an upper case name", rootfs, { repository: "UP" }, "repository name (library/UP) must be lowercase"],
  ["a bad tag", rootfs, { repository: "a", tag: "b c" }, "invalid tag format"],
  ["a digest", rootfs, { repository: `a@sha256:${"a".repeat(64)}` }, "cannot import digest reference"],
  ["a bad change", rootfs, { changes: ["RUN x"] }, "run is not a valid change command"],
  ["what is no tar", () => Buffer.from("no tar ".repeat(200)), {}, "archive/tar: invalid"],
  ["nothing", () => Buffer.alloc(0), {}, "the archive is empty"],
  ["an archive that leads out", () => tarOf({ name: "ok" }, { name: "../../x" }), {}, "leads out"],
])("import refuses %s and leaves nothing", async (_what, tar, options, message) => {
  await expect(importTar(tar(), options)).rejects.toThrow(message);
  await nothingLeft();
});

test("resolve() finds by tag, name, id and unique prefix, and says what is not there in Docker's words", async () => {
  const image = await importTar(rootfs(), { repository: "site" });
  const hex = image.id.slice(7);
  for (const name of [
    "site",
    "site:latest",
    "docker.io/library/site",
    image.id,
    hex,
    hex.slice(0, 12),
    `sha256:${hex.slice(0, 4)}`,
  ])
    expect(images.resolve(name).id).toBe(image.id);
  expect(() => images.resolve("nope")).toThrow("No such image: nope:latest");
  expect(() => images.resolve("site:2")).toThrow("No such image: site:2");
  expect(() => images.resolve("0".repeat(64))).toThrow(`No such image: ${"0".repeat(64)}`);
});

test("images, tags and sizes are the same after a restart", async () => {
  await importTar(rootfs(), { repository: "site" });
  await images.tag("site", { repository: "other/name", tag: "v1" }, { caller });
  const before = images.list();
  db.close();
  await start();
  expect(images.list()).toEqual(before);
  expect(images.resolve("other/name:v1").references).toEqual(["other/name:v1", "site:latest"]);
});

test("tag moves a name and refuses what Docker refuses", async () => {
  const one = await importTar(rootfs(), { repository: "one" });
  const two = await importTar(rootfs("2"), { repository: "two" });
  await images.tag("two", { repository: "one", tag: "" }, { caller });
  expect([images.resolve("one").id, images.resolve(one.id).references]).toEqual([two.id, []]);
  await expect(images.tag("one", { repository: "UP", tag: "" }, { caller })).rejects.toThrow("must be lowercase");
  await expect(images.tag("one", { repository: `x@sha256:${"a".repeat(64)}`, tag: "" }, { caller })).rejects.toThrow(
    "refusing to create a tag with a digest reference",
  );
  await expect(images.tag("nope", { repository: "x", tag: "" }, { caller })).rejects.toThrow(
    "No such image: nope:latest",
  );
});

test("remove untags, and deletes with the last name; shared layers stay", async () => {
  await load(fixture);
  expect(await remove("fixture:two")).toEqual([{ untagged: "fixture:two" }]);
  const [, top = ""] = images.resolve(fixtureIds.two).chainIds;
  expect(await remove("other.example:5000/fixture:v2")).toEqual([
    { untagged: "other.example:5000/fixture:v2" },
    { deleted: fixtureIds.two },
    { deleted: top },
  ]);
  expect(layers.layers()).toEqual(images.resolve("fixture:base").chainIds as string[]);
  expect(actions().slice(-3)).toEqual([
    `untag ${fixtureIds.two}`,
    `untag ${fixtureIds.two}`,
    `delete ${fixtureIds.two}`,
  ]);
});

test("remove says why not, in Docker's words", async () => {
  const image = await importTar(rootfs(), { repository: "site" });
  const short = image.id.slice(7, 19);
  const using =
    (running: boolean): InUse =>
    () => [{ id: "c".repeat(64), running, imageReference: "site" }];
  await expect(remove("nope")).rejects.toThrow("No such image: nope:latest");
  await expect(remove("site", { inUse: using(true) })).rejects.toThrow(
    `conflict: unable to remove repository reference "site" (must force) - container cccccccccccc is using its referenced image ${short}`,
  );
  await expect(remove(short, { inUse: using(false) })).rejects.toThrow(
    `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  );
  await expect(remove(short, { inUse: using(true), force: true })).rejects.toThrow(
    `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  );
  await images.tag("site", { repository: "other", tag: "" }, { caller });
  await expect(remove(short)).rejects.toThrow(
    `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  );
  expect(await remove(short, { force: true })).toEqual([
    { untagged: "other:latest" },
    { untagged: "site:latest" },
    { deleted: image.id },
    { deleted: image.chainIds[0] ?? "" },
  ]);
  await nothingLeft();
});

test("commit makes a child whose parent cannot be removed before it", async () => {
  const parent = await importTar(rootfs(), { repository: "site", changes: ["ENV A=1"] });
  await layers.prepare("c1", parent.chainIds);
  mkdirSync(join(layers.paths("c1")["UpperDir"] ?? "", "new"));
  const options = {
    parent: parent.id,
    repository: "child",
    tag: "",
    comment: "why",
    author: "me",
    config: { Env: ["A=1"] },
    changes: ["CMD x"],
    containerId: "c1",
    command: "sh",
    caller,
  };
  const child = await images.commit({ ...options, diff: layers.diffTar("c1") });
  expect(child.config).toMatchObject({
    author: "me",
    container: "c1",
    config: { Env: ["A=1"], Cmd: ["/bin/sh", "-c", "x"] },
    history: [{}, { created_by: "sh", comment: "why" }],
  });
  expect(images.history("child").map((entry) => entry.imageId)).toEqual([child.id, parent.id]);
  await expect(remove(parent.id)).rejects.toThrow("image has dependent child images");
  // nothing changed: a step without a layer, as Docker has it
  await layers.prepare("c2", parent.chainIds);
  const empty = await images.commit({ ...options, repository: "", diff: layers.diffTar("c2") });
  expect([empty.chainIds, empty.config.history?.at(-1)?.empty_layer]).toEqual([parent.chainIds, true]);
  for (const key of ["c1", "c2"]) await layers.remove(key);
});

test("prune takes what nobody keeps or uses", async () => {
  const kept = await importTar(rootfs("1"), { repository: "kept" });
  const used = await importTar(rootfs("22"));
  const loose = await importTar(rootfs("333"));
  const pruned = await images.prune({
    caller,
    keep: (image) => image.references.length > 0,
    inUse: (id) => (id === used.id ? [{ id: "c", running: false, imageReference: "" }] : []),
  });
  expect(pruned).toEqual({
    images: [loose],
    removed: [{ deleted: loose.id }, { deleted: loose.chainIds[0] ?? "" }],
    reclaimedBytes: 3,
  });
  expect(
    images
      .list()
      .map((image) => image.id)
      .sort(),
  ).toEqual([kept.id, used.id].sort());
});

test("the first image is made of the host's busybox, the same each time", async () => {
  const tars = await Promise.all(
    [1, 2].map(async () => Buffer.concat(await Array.fromAsync((await busyboxRootfs()) as AsyncIterable<Buffer>))),
  );
  expect(tars[0]?.equals(tars[1] ?? Buffer.alloc(0))).toBe(true);
  const image = await images.import(await busyboxRootfs(), {
    ...importOptions,
    repository: "busybox",
    changes: ['CMD ["sh"]'],
  });
  await layers.prepare("c1", image.chainIds);
  const lower = (layers.paths("c1")["LowerDir"] ?? "").split(":")[0] ?? "";
  expect(
    Bun.spawnSync(["chroot", lower, "/bin/sh", "-c", "ls /bin/busybox && id -un && echo ok"]).stdout.toString(),
  ).toBe("/bin/busybox\nroot\nok\n");
  await layers.remove("c1");
});

test("a name that goes by force is enough: its image stays without a word for a container or a child", async () => {
  const image = await importTar(rootfs(), { repository: "busy" });
  const removed = await remove("busy", {
    force: true,
    inUse: () => [{ id: "c".repeat(64), running: true, imageReference: "busy" }],
  });
  expect(removed).toEqual([{ untagged: "busy:latest" }]);
  expect(images.list().map(({ id }) => id)).toEqual([image.id]);
});
