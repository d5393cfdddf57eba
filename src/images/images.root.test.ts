import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ContentStore } from "../content/store.ts";
import type { EventInput } from "../events/bus.ts";
import { type Member, tarOf } from "../snapshots/apply/tar-fixture.ts";
import type { LayerStore } from "../snapshots/layers.ts";
import { openSnapshotter } from "../snapshots/open.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { engineCaller as caller } from "../spec/caller.ts";
import { migrate } from "../store/migrate.ts";
import { makeBusyboxTar } from "./busybox.ts";
import { sha256 } from "./chain-id.ts";
import { imageMigrations } from "./image.sql.ts";
import type { Images, InUse, Progress } from "./images.ts";
import { openImages } from "./open.ts";

let dir = "";
let db: Database;
let layers: Snapshotter & LayerStore;
let images: Images;
let events: EventInput[] = [];
let progress: Progress[] = [];
const report = (line: Progress): void => void progress.push(line);

async function start(): Promise<void> {
  db = new Database(join(dir, "state.db"), { create: true });
  migrate(db, imageMigrations);
  layers = await openSnapshotter({ dataRoot: dir });
  images = await openImages({ db, content: new ContentStore({ root: join(dir, "content") }), snapshotter: layers, events: { publish: (event) => void events.push(event) } });
}
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-images-"));
  [events, progress] = [[], []];
  await start();
});
afterEach(async () => {
  await layers.settled();
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

const importOptions: Parameters<Images["import"]>[1] = { repository: "", tag: "", message: "", changes: [], platform: "", report, caller };
const rootfs = (content = "hello"): Buffer => tarOf({ name: "etc/", type: "folder", mode: 0o755 }, { name: "etc/motd", content });
const importTar = (tar: Buffer, options: Partial<Parameters<Images["import"]>[1]> = {}) => images.import(Readable.from([tar]), { ...importOptions, ...options });
const load = (tar: Buffer, quiet = true) => images.load(Readable.from([tar]), { quiet, report, caller });
const save = async (...names: string[]): Promise<Buffer> => Buffer.concat(await Array.fromAsync((await images.save(names, { caller })) as AsyncIterable<Buffer>));
const remove = (name: string, options: { force?: boolean; inUse?: InUse } = {}) => images.remove(name, { force: options.force ?? false, prune: true, inUse: options.inUse ?? (() => []), caller });
const actions = (): string[] => events.map((event) => `${event.action} ${event.attributes["name"]}`);
const nothingLeft = async (): Promise<void> => {
  await layers.settled();
  expect([images.list(), layers.layers(), readdirSync(join(dir, "content/ingest")), readdirSync(join(dir, "snapshots/overlay/tmp"))]).toEqual([[], [], [], []]);
};
const fixture = readFileSync(join(import.meta.dir, "fixtures/docker-20.10-save.tar.gz"));
const fixtureIds = { base: "sha256:bccfa4329e157abea0a2f8086d50738e4a8a49800b600fcf51665023814d841f", two: "sha256:9191fd2955f73067f11b11c4d0bac9c09bc0cb80f48cb13c4bf7527f4ee10a73" };

test.each([["plain", (tar: Buffer) => tar], ["gzip", (tar: Buffer) => gzipSync(tar)], ["zstd", (tar: Buffer) => zstdCompressSync(tar)]])("import of a %s tar makes an image of one layer", async (_name, pack) => {
  const image = await importTar(pack(rootfs()), { repository: "site", tag: "1", changes: ['CMD ["sh"]', "ENV A=1"], platform: "linux/arm64/v8" });
  expect(image).toMatchObject({
    references: ["site:1"], sizeBytes: 5, chainIds: [sha256(rootfs())],
    config: { os: "linux", architecture: "arm64", variant: "v8", config: { Cmd: ["sh"], Env: ["A=1"] }, rootfs: { diff_ids: [sha256(rootfs())] }, history: [{ comment: "Imported from -" }] },
  });
  expect(images.history("site:1")).toMatchObject([{ imageId: image.id, layerBytes: 5, comment: "Imported from -", references: ["site:1"] }]);
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
  for (const name of ["site", "site:latest", "docker.io/library/site", image.id, hex, hex.slice(0, 12), `sha256:${hex.slice(0, 4)}`]) expect(images.resolve(name).id).toBe(image.id);
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

test("an image saved by dockerd 20.10 keeps its id, sizes and history here", async () => {
  const loaded = await load(fixture, false);
  expect(loaded.map(({ reference, image }) => `${reference} ${image.id}`).sort()).toEqual([
    `fixture:base ${fixtureIds.base}`, `fixture:two ${fixtureIds.two}`, `other.example:5000/fixture:v2 ${fixtureIds.two}`,
  ]);
  expect([images.resolve("fixture:base").sizeBytes, images.resolve("fixture:two").sizeBytes, images.layersBytes()]).toEqual([5, 9, 9]);
  expect(images.history("fixture:two")).toMatchObject([{ imageId: fixtureIds.two, comment: "second", layerBytes: 4, author: "tester", created_by: "/none" }, { imageId: "", comment: "first layer", layerBytes: 5 }]);
  expect(layers.layers()).toHaveLength(2); // the shared layer is there once
  expect(new Set(progress.map((line) => line.status))).toEqual(new Set(["Loading layer"]));
  expect(actions().filter((action) => action.startsWith("load"))).toHaveLength(2);
});

test("what is saved here loads again, with the same ids, by both of its descriptions", async () => {
  await load(fixture);
  const saved = await save("fixture:two", "fixture:base", "other.example:5000/fixture:v2");
  for (const name of ["other.example:5000/fixture:v2", "fixture:two", "fixture:base"]) await remove(name);
  await nothingLeft();
  expect((await load(gzipSync(saved))).map(({ image }) => image.id).sort()).toEqual([fixtureIds.two, fixtureIds.two, fixtureIds.base].sort());
  for (const name of ["other.example:5000/fixture:v2", "fixture:two", "fixture:base"]) await remove(name);
  // the same archive without Docker's manifest is an OCI layout
  const work = join(dir, "layout");
  mkdirSync(work);
  Bun.spawnSync(["tar", "-xf", "-"], { cwd: work, stdin: saved });
  const layout = Buffer.from(Bun.spawnSync(["tar", "-cf", "-", "blobs", "index.json", "oci-layout"], { cwd: work }).stdout);
  expect((await load(layout)).map(({ reference }) => reference).sort()).toEqual(["fixture:base", "fixture:two", "other.example:5000/fixture:v2"]);
});

test("save of a repository takes all its tags, of an id none", async () => {
  const image = await importTar(rootfs(), { repository: "site", tag: "1" });
  await importTar(rootfs("two"), { repository: "site", tag: "2" });
  const manifest = async (...names: string[]): Promise<{ RepoTags: string[] | null }[]> => {
    const out = Bun.spawnSync(["tar", "-xOf", "-", "manifest.json"], { stdin: await save(...names) });
    return JSON.parse(out.stdout.toString()) as { RepoTags: string[] | null }[];
  };
  expect((await manifest("site")).map((entry) => entry.RepoTags).sort()).toEqual([["site:1"], ["site:2"]]);
  expect((await manifest(image.id)).map((entry) => entry.RepoTags)).toEqual([null]);
  await expect(images.save(["nope"], { caller })).rejects.toThrow("No such image: nope:latest");
});

/** An OCI layout of one image, with room for lies. */
function layout(lies: { manifest?: (manifest: Record<string, unknown>) => object; descriptor?: object; config?: object; layer?: Buffer; diffId?: string; extra?: Member[] } = {}): Buffer {
  const layer = lies.layer ?? rootfs();
  const blobs: Member[] = [];
  const put = (content: Buffer | string): { digest: string; size: number } => {
    const digest = sha256(Buffer.from(content));
    blobs.push({ name: `blobs/sha256/${digest.slice(7)}`, content });
    return { digest, size: Buffer.byteLength(content) };
  };
  const config = put(JSON.stringify({ os: "linux", architecture: "amd64", config: {}, rootfs: { type: "layers", diff_ids: [lies.diffId ?? sha256(layer)] }, ...lies.config }));
  const plain = { schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [put(layer)] };
  const descriptor = { mediaType: plain.mediaType, ...put(JSON.stringify(lies.manifest?.(plain) ?? plain)), annotations: { "io.containerd.image.name": "docker.io/library/laid:out" }, ...lies.descriptor };
  return tarOf(...blobs, { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' }, { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }) }, ...(lies.extra ?? []));
}

test("an OCI layout loads under the name in its annotations", async () => {
  expect((await load(layout()))[0]?.reference).toBe("laid:out");
  expect((await load(layout({ descriptor: { annotations: { "org.opencontainers.image.ref.name": "latest" } } })))[0]?.reference).toBe("");
});

const wrong = `sha256:${"0".repeat(64)}`;
test.each<[string, () => Buffer, string]>([
  ["no image archive", () => rootfs(), "unrecognized image format"],
  ["a manifest that is an index too", () => layout({ manifest: (manifest) => ({ ...manifest, manifests: [] }) }), "a manifest and an index at once"],
  ["a manifest of another kind than announced", () => layout({ manifest: (manifest) => ({ ...manifest, mediaType: "application/vnd.docker.distribution.manifest.v2+json" }) }), "is application/vnd.docker.distribution.manifest.v2+json"],
  ["a manifest announced as an index", () => layout({ descriptor: { mediaType: "application/vnd.oci.image.index.v1+json" }, manifest: ({ mediaType: _gone, ...rest }) => rest }), "is not application/vnd.oci.image.index"],
  ["a wrong size", () => layout({ descriptor: { size: 3 } }), "bytes long, not 3"],
  ["a missing blob", () => layout({ descriptor: { digest: wrong } }), "is named but not in it"],
  ["a digest that is a path", () => layout({ descriptor: { digest: "sha256:../../../../etc/passwd" } }), "a descriptor without digest"],
  ["a wrong diff id", () => layout({ diffId: wrong }), "invalid diffID for layer 0"],
  ["fewer layers than diff ids", () => layout({ config: { rootfs: { type: "layers", diff_ids: [wrong, wrong] } } }), "layers length mismatch: expected 2, got 1"],
  ["a hostile layer", () => layout({ layer: tarOf({ name: "../../canary", content: "x" }) }), "leads out"],
  ["another system's image", () => layout({ config: { os: "windows" } }), "cannot load windows image on linux"],
  ["two contents under one name", () => layout({ extra: [{ name: "index.json", content: "{}" }] }), "two different"],
  ["a blob with another's name", () => layout({ extra: [{ name: "manifest.json", content: JSON.stringify([{ Config: `blobs/sha256/${"1".repeat(64)}`, RepoTags: null, Layers: [] }]) }, { name: `blobs/sha256/${"1".repeat(64)}`, content: "{}" }] }), "the digest of"],
  ["a Docker manifest of the wrong form", () => tarOf({ name: "manifest.json", content: '[{"Config":{},"Layers":1}]' }), "not of Docker's form"],
  ["a Docker manifest that is no JSON", () => tarOf({ name: "manifest.json", content: "[" }), "is not JSON"],
  ["a tag that is none", () => layout({ descriptor: { annotations: { "io.containerd.image.name": "Bad/../x:y" } } }), 'invalid tag "Bad/../x:y"'],
  ["a manifest of 9 MB", () => tarOf({ name: "manifest.json", content: Buffer.alloc(9 * 1024 * 1024, 32) }), "longer than"],
  ["an archive that is cut", () => layout().subarray(0, 3000), "invalid image archive"],
  ["nothing", () => Buffer.alloc(0), "unrecognized image format"],
])("load refuses %s and leaves nothing", async (_what, archive, message) => {
  await expect(load(archive())).rejects.toThrow(message);
  await nothingLeft();
});

test("one bad image of an archive keeps the good ones out too", async () => {
  const good = tarOf({ name: "good", content: "x" });
  const config = JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [sha256(good)] } });
  const bad = JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [sha256(good), wrong] } });
  const manifest = [{ Config: "a.json", RepoTags: ["a:1"], Layers: ["l.tar"] }, { Config: "b.json", RepoTags: ["b:1"], Layers: ["l.tar", "l.tar"] }];
  await expect(load(tarOf({ name: "l.tar", content: good }, { name: "a.json", content: config }, { name: "b.json", content: bad }, { name: "manifest.json", content: JSON.stringify(manifest) }))).rejects.toThrow("invalid diffID for layer 1");
  await nothingLeft();
});

test("a reference that moves to a loaded image leaves the old one without name", async () => {
  const old = await importTar(rootfs(), { repository: "laid", tag: "out" });
  const [loaded] = await load(layout({ layer: rootfs("other") }));
  expect(progress).toContainEqual({ stream: `The image laid:out already exists, renaming the old one with ID ${old.id} to empty string\n` });
  expect([images.resolve(old.id).references, images.resolve("laid:out").id]).toEqual([[], loaded?.image.id ?? ""]);
});

test("the same layers loaded by two at once are unpacked once", async () => {
  await Promise.all([load(fixture), load(fixture), load(fixture)]);
  expect([images.list().length, layers.layers().length]).toEqual([2, 2]);
});

test("tag moves a name and refuses what Docker refuses", async () => {
  const one = await importTar(rootfs(), { repository: "one" });
  const two = await importTar(rootfs("2"), { repository: "two" });
  await images.tag("two", { repository: "one", tag: "" }, { caller });
  expect([images.resolve("one").id, images.resolve(one.id).references]).toEqual([two.id, []]);
  await expect(images.tag("one", { repository: "UP", tag: "" }, { caller })).rejects.toThrow("must be lowercase");
  await expect(images.tag("one", { repository: `x@sha256:${"a".repeat(64)}`, tag: "" }, { caller })).rejects.toThrow("refusing to create a tag with a digest reference");
  await expect(images.tag("nope", { repository: "x", tag: "" }, { caller })).rejects.toThrow("No such image: nope:latest");
});

test("remove untags, and deletes with the last name; shared layers stay", async () => {
  await load(fixture);
  expect(await remove("fixture:two")).toEqual([{ untagged: "fixture:two" }]);
  const [, top = ""] = images.resolve(fixtureIds.two).chainIds;
  expect(await remove("other.example:5000/fixture:v2")).toEqual([{ untagged: "other.example:5000/fixture:v2" }, { deleted: fixtureIds.two }, { deleted: top }]);
  expect(layers.layers()).toEqual(images.resolve("fixture:base").chainIds as string[]);
  expect(actions().slice(-3)).toEqual([`untag ${fixtureIds.two}`, `untag ${fixtureIds.two}`, `delete ${fixtureIds.two}`]);
});

test("remove says why not, in Docker's words", async () => {
  const image = await importTar(rootfs(), { repository: "site" });
  const short = image.id.slice(7, 19);
  const using = (running: boolean): InUse => () => [{ id: "c".repeat(64), running, imageReference: "site" }];
  await expect(remove("nope")).rejects.toThrow("No such image: nope:latest");
  await expect(remove("site", { inUse: using(true) })).rejects.toThrow(`conflict: unable to remove repository reference "site" (must force) - container cccccccccccc is using its referenced image ${short}`);
  await expect(remove(short, { inUse: using(false) })).rejects.toThrow(`conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`);
  await expect(remove(short, { inUse: using(true), force: true })).rejects.toThrow(`conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`);
  await images.tag("site", { repository: "other", tag: "" }, { caller });
  await expect(remove(short)).rejects.toThrow(`conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`);
  expect(await remove(short, { force: true })).toEqual([{ untagged: "other:latest" }, { untagged: "site:latest" }, { deleted: image.id }, { deleted: image.chainIds[0] ?? "" }]);
  await nothingLeft();
});

test("commit makes a child whose parent cannot be removed before it", async () => {
  const parent = await importTar(rootfs(), { repository: "site", changes: ["ENV A=1"] });
  await layers.prepare("c1", parent.chainIds);
  mkdirSync(join(layers.paths("c1")["UpperDir"] ?? "", "new"));
  const options = { parent: parent.id, repository: "child", tag: "", comment: "why", author: "me", config: { Env: ["A=1"] }, changes: ["CMD x"], containerId: "c1", command: "sh", caller };
  const child = await images.commit({ ...options, diff: layers.diffTar("c1") });
  expect(child.config).toMatchObject({ author: "me", container: "c1", config: { Env: ["A=1"], Cmd: ["/bin/sh", "-c", "x"] }, history: [{}, { created_by: "sh", comment: "why" }] });
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
  const pruned = await images.prune({ caller, keep: (image) => image.references.length > 0, inUse: (id) => (id === used.id ? [{ id: "c", running: false, imageReference: "" }] : []) });
  expect(pruned).toEqual({ removed: [{ deleted: loose.id }, { deleted: loose.chainIds[0] ?? "" }], reclaimedBytes: 3 });
  expect(images.list().map((image) => image.id).sort()).toEqual([kept.id, used.id].sort());
});

test("a process killed between layer and row leaves nothing of the image", async () => {
  const program = `
    import { Database } from "bun:sqlite"; import { createReadStream } from "node:fs";
    const at = (path) => import(${JSON.stringify(join(import.meta.dir, ".."))} + "/" + path);
    const { openSnapshotter } = await at("snapshots/open.ts"); const { ContentStore } = await at("content/store.ts"); const { openImages } = await at("images/open.ts");
    const dir = ${JSON.stringify(dir)};
    const images = await openImages({ db: new Database(dir + "/state.db"), content: new ContentStore({ root: dir + "/content" }), snapshotter: await openSnapshotter({ dataRoot: dir }), events: { publish() {} } });
    await images.load(createReadStream(${JSON.stringify(join(import.meta.dir, "fixtures/docker-20.10-save.tar.gz"))}), { quiet: true, report() {}, caller: { via: "engine" } });`;
  for (const [point, count] of [["image.load.after-blob", 0], ["image.load.after-row", 2]] as const) {
    const child = Bun.spawn([process.execPath, "-e", program], { env: { ...process.env, BERTH_FAULT: `${point}=kill` } });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    db.close();
    await start();
    expect([images.list().length, layers.layers().length]).toEqual([count, count]);
    if (count === 0) await nothingLeft();
  }
});

test("pull says what Docker says of what is not to be had", async () => {
  await expect(images.pull("nope:1", { caller, platform: "", auth: "", report })).rejects.toThrow("pull access denied for nope, repository does not exist or may require 'docker login'");
});

test("the first image is made of the host's busybox, the same each time", async () => {
  const tars = await Promise.all([1, 2].map(async () => Buffer.concat(await Array.fromAsync(makeBusyboxTar("/bin/busybox") as AsyncIterable<Buffer>))));
  expect(tars[0]?.equals(tars[1] ?? Buffer.alloc(0))).toBe(true);
  const image = await images.import(makeBusyboxTar("/bin/busybox"), { ...importOptions, repository: "busybox", changes: ['CMD ["sh"]'] });
  await layers.prepare("c1", image.chainIds);
  const lower = (layers.paths("c1")["LowerDir"] ?? "").split(":")[0] ?? "";
  expect(Bun.spawnSync(["chroot", lower, "/bin/sh", "-c", "ls /bin/busybox && id -un && echo ok"]).stdout.toString()).toBe("/bin/busybox\nroot\nok\n");
  await layers.remove("c1");
});
