import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tarOf } from "../snapshots/apply/tar-fixture.ts";
import * as lab from "./images-lab.ts";
import type { InUse } from "./images.ts";
import { TestRegistry } from "./travel/registry-fixture.ts";
import { readWaterMarks } from "./water-marks.ts";

lab.useLab();
let registry: TestRegistry;
beforeEach(() => void (registry = new TestRegistry()));
afterEach(() => registry[Symbol.asyncDispose]());

const nobody: InUse = () => [];
const tar = (text: string, bytes = 10): Buffer => tarOf({ name: `etc/${text}`, content: Buffer.alloc(bytes, text) });
const name = (tag: string): string => `${registry.host}/a:${tag}`;
const check = async (repair = false, inUse = nobody) =>
  (await lab.images.check({ caller: lab.caller, repair, quick: false, inUse })).findings;
const folderOf = (chainId: string): string => join(lab.dir, "snapshots/overlay/layers", chainId.slice(7));
const blobs = (): string[] => lab.content.list().map(({ digest }) => join(lab.dir, "content/sha256", digest.slice(7)));
const heal = async (): Promise<string[]> => {
  const told: string[] = [];
  await lab.images.heal((text) => void told.push(text), new AbortController().signal);
  return told;
};

test("a store in order has nothing to tell", async () => {
  registry.image("a:1", [tar("one"), tar("two")]);
  await lab.pull(name("1"));
  await lab.importTar(tar("three"));
  expect(await lab.images.check({ caller: lab.caller, repair: false, quick: false, inUse: nobody })).toEqual({
    ...{ images: 2, layers: 3, blobs: 2, findings: [] },
  });
});

test("a changed or cut blob is named, fetched again by a repair, and its image works all the while", async () => {
  registry.image("a:1", [tar("one"), tar("two")]);
  await lab.pull(name("1"));
  const [first = "", second = ""] = blobs();
  writeFileSync(first, Buffer.alloc(statSync(first).size, 1));
  truncateSync(second, 3);
  await lab.restart();
  const found = (await check()).map(({ kind, problem, images, repaired }) => [kind, problem, images, repaired]);
  expect(found.sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1))).toEqual([
    ["blob", expect.stringContaining("it is 3 bytes long, not"), [name("1")], ""],
    ["blob", "its bytes do not have its digest", [name("1")], ""],
  ]);
  expect((await check(true)).map(({ repaired }) => repaired)).toEqual(["fetched again", "fetched again"]);
  expect(await check()).toEqual([]);
});

test("a changed layer is named; a repair unpacks it again from its blob, or fetches that", async () => {
  registry.image("a:1", [tar("one"), tar("two")]);
  const image = await lab.pull(name("1"));
  const [low = "", high = ""] = image.chainIds;
  writeFileSync(join(folderOf(low), "diff/etc/one"), "changed");
  rmSync(join(folderOf(high), "diff/etc/two"));
  for (const { digest } of lab.content.list()) if (digest.endsWith("0")) lab.content.delete(digest);
  expect((await check()).map(({ kind, id, problem }) => [kind, id, problem])).toEqual([
    ["layer", low, "its files are not those of its archive"],
    ["layer", high, "its files are not those of its archive"],
  ]);
  expect((await check(true)).map(({ repaired }) => repaired)).toEqual(["unpacked again", "unpacked again"]);
  expect(await check()).toEqual([]);
  expect(readFileSync(join(folderOf(low), "diff/etc/one"), "utf8")).toBe("oneoneoneo");
});

test("a layer under a running container is left alone, and one that cannot be had again is named", async () => {
  const image = await lab.importTar(tar("one"), { repository: "x" });
  const [chain = ""] = image.chainIds;
  writeFileSync(join(folderOf(chain), "diff/etc/one"), "changed");
  const running: InUse = () => [{ id: "c".repeat(64), running: true, imageReference: "x" }];
  expect((await check(true, running))[0]?.repaired).toBe("not touched: container cccccccccccc runs over it");
  expect((await check(true))[0]?.repaired).toContain("pull or load x:latest again");
  expect(lab.layers.has(chain)).toBe(true);
});

test("a layer that went missing comes back behind the start, and the container over it is whole again", async () => {
  registry.image("a:1", [tar("one"), tar("two")]);
  const image = await lab.pull(name("1"));
  const lost = await lab.importTar(tar("three"), { repository: "lost" });
  await lab.layers.prepare("c1", image.chainIds);
  for (const chain of [image.chainIds[1] ?? "", lost.chainIds[0] ?? ""]) rmSync(folderOf(chain), { recursive: true });
  await lab.restart();
  expect(lab.layers.incomplete()).toEqual([{ key: "c1", chainIds: [image.chainIds[1] ?? ""] }]);
  const target = join(lab.dir, "mnt");
  mkdirSync(target);
  await expect(lab.layers.mount("c1", target)).rejects.toThrow("is not in the store");
  expect((await heal()).sort()).toEqual(
    [
      expect.stringContaining(`layer ${image.chainIds[1]} of image ${name("1")} was missing and is unpacked again`),
      expect.stringContaining("of image lost:latest is missing: no blob of it is kept or known anywhere"),
    ].sort(),
  );
  await lab.layers.mount("c1", target);
  expect(
    readdirSync(join(target, "etc"))
      .filter((file) => /one|two/.test(file))
      .sort(),
  ).toEqual(["one", "two"]);
  await lab.layers.unmount(target);
  await lab.layers.remove("c1");
});

test("a layer whose link a container needs keeps it, even when it is unpacked after a restart in between", async () => {
  registry.image("a:1", [tar("one")]);
  const image = await lab.pull(name("1"));
  await lab.layers.prepare("c1", image.chainIds);
  rmSync(folderOf(image.chainIds[0] ?? ""), { recursive: true });
  await lab.restart();
  await lab.restart();
  await lab.importTar(tar("another")); // must not take the link's number
  await lab.pull(name("1"));
  expect(lab.layers.incomplete()).toEqual([]);
});

test("what a crash left of downloads and documents goes with the next start", async () => {
  registry.image("a:1", [tar("one")]);
  await lab.pull(name("1"));
  lab.db.run("DELETE FROM image_references");
  lab.db.run("DELETE FROM images");
  await lab.restart();
  await lab.nothingLeft();
  expect([
    lab.content.list(),
    lab.db.query("SELECT * FROM image_documents").all(),
    lab.db.query("SELECT * FROM image_layers").all(),
  ]).toEqual([[], [], []]);
});

test("a look before pruning tells what goes, with what it frees together and alone", async () => {
  registry.image("a:1", [tar("base", 5000), tar("one", 100)]);
  registry.image("a:2", [tar("base", 5000), tar("two", 300)]);
  for (const tag of ["1", "2"]) await lab.pull(name(tag));
  const bytes = lab.images.layersBytes();
  const plan = await lab.images.prune({ caller: lab.caller, keep: () => false, inUse: nobody, dryRun: true });
  expect(plan).toMatchObject({ removed: [], reclaimedBytes: bytes });
  expect(plan.images.map((image) => lab.images.uniqueBytes().get(image.id)).sort()).toEqual([100, 300]);
  expect(lab.images.list()).toHaveLength(2);
  const done = await lab.images.prune({ caller: lab.caller, keep: () => false, inUse: nobody });
  expect([done.reclaimedBytes, done.images.map(({ id }) => id)]).toEqual([bytes, plan.images.map(({ id }) => id)]);
  expect(lab.events.at(-1)).toMatchObject({ type: "image", action: "prune", attributes: { reclaimed: String(bytes) } });
});

test("the disk's use is what du says", async () => {
  const members = Array.from({ length: 200 }, (_, index) => ({
    name: `d${index % 7}/f${index}`,
    content: Buffer.alloc(index * 97, 1),
  }));
  registry.image("a:1", [tarOf(...members), tar("two", 70_000)]);
  await lab.pull(name("1"));
  const du = Number(
    Bun.spawnSync(["du", "-sB1", join(lab.dir, "content"), join(lab.dir, "snapshots/overlay/layers")])
      .stdout.toString()
      .split(/\s/)
      .filter((word) => /^\d+$/.test(word))
      .reduce((sum, word) => sum + Number(word), 0),
  );
  const told = await lab.images.diskBytes();
  expect(Math.abs(told - du) / du).toBeLessThan(0.02);
});

test("automatic removal takes the longest unused first, stops at the low mark, and never what a container has", async () => {
  const made = [];
  for (const text of ["a", "b", "c", "d", "e"]) made.push(await lab.importTar(tar(text, 10_000), { repository: text }));
  const ids = made.map(({ id }) => id);
  const [first = "", second = "", third = ""] = ids;
  lab.images.use(second);
  const inUse: InUse = (id) => (id === first ? [{ id: "c1", running: false, imageReference: "a" }] : []);
  const collect = (setting: Record<string, string>) => {
    const marks = readWaterMarks({ ...setting, age: setting["age"] ?? "0s" });
    if (!marks) throw new Error("no marks");
    return lab.images.collect({ marks, disk: { totalBytes: 1000, freeBytes: 500 }, inUse, caller: lab.caller });
  };
  expect((await collect({ high: "60k", low: "30k" })).images).toEqual([]);
  expect((await collect({ high: "40k", low: "30k", age: "1h" })).images).toEqual([]); // all are young
  expect((await collect({ high: "60%", low: "50%" })).images).toEqual([]);
  const gone = await collect({ high: "45k", low: "40k" });
  expect(gone.images.map(({ id }) => id)).toEqual([third]);
  await collect({ high: "2k", low: "1k" });
  expect(lab.images.list().map(({ id }) => id)).toEqual([first]);
  await lab.restart();
  expect(lab.images.list()).toHaveLength(1);
});

test.each([
  [{ high: "85%" }, "needs high and low"],
  [{ high: "85%", low: "90%" }, "must be more than"],
  [{ high: "85%", low: "10g" }, "of the same kind"],
  [{ high: "lots", low: "10g" }, "neither a part"],
  [{ high: "85%", low: "70%", age: "soon" }, "is no age"],
  [{ high: "85%", low: "70%", most: "1" }, "not most"],
] as [Record<string, string>, string][])("water marks %j are refused", (setting, text) => {
  expect(() => readWaterMarks(setting)).toThrow(text);
});

test("water marks are off without a setting", () => {
  expect(readWaterMarks({})).toBeUndefined();
  expect(readWaterMarks({ high: "200g", low: "150g", age: "7d" })).toEqual({
    high: { bytes: 200 * 1024 ** 3 },
    low: { bytes: 150 * 1024 ** 3 },
    minAgeMs: 7 * 86_400_000,
  });
});
