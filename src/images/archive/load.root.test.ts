import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Member, tarOf } from "../../snapshots/apply/tar-fixture.ts";
import { sha256 } from "../chain-id.ts";
import {
  actions,
  caller,
  db,
  dir,
  fixture,
  fixtureIds,
  images,
  importTar,
  layers,
  load,
  nothingLeft,
  progress,
  remove,
  rootfs,
  save,
  start,
  useLab,
} from "../images-lab.ts";

useLab();

test("an image saved by dockerd 20.10 keeps its id, sizes and history here", async () => {
  const loaded = await load(fixture, false);
  expect(loaded.map(({ reference, image }) => `${reference} ${image.id}`).sort()).toEqual([
    `fixture:base ${fixtureIds.base}`,
    `fixture:two ${fixtureIds.two}`,
    `other.example:5000/fixture:v2 ${fixtureIds.two}`,
  ]);
  expect([
    images.resolve("fixture:base").sizeBytes,
    images.resolve("fixture:two").sizeBytes,
    images.layersBytes(),
  ]).toEqual([5, 9, 9]);
  expect(images.history("fixture:two")).toMatchObject([
    { imageId: fixtureIds.two, comment: "second", layerBytes: 4, author: "tester", created_by: "/none" },
    { imageId: "", comment: "first layer", layerBytes: 5 },
  ]);
  expect(layers.layers()).toHaveLength(2); // the shared layer is there once
  expect(new Set(progress.map((line) => line.status))).toEqual(new Set(["Loading layer"]));
  expect(actions().filter((action) => action.startsWith("load"))).toHaveLength(2);
});

test("what is saved here loads again, with the same ids, by both of its descriptions", async () => {
  await load(fixture);
  const saved = await save("fixture:two", "fixture:base", "other.example:5000/fixture:v2");
  for (const name of ["other.example:5000/fixture:v2", "fixture:two", "fixture:base"]) await remove(name);
  await nothingLeft();
  expect((await load(gzipSync(saved))).map(({ image }) => image.id).sort()).toEqual(
    [fixtureIds.two, fixtureIds.two, fixtureIds.base].sort(),
  );
  for (const name of ["other.example:5000/fixture:v2", "fixture:two", "fixture:base"]) await remove(name);
  // the same archive without Docker's manifest is an OCI layout
  const work = join(dir, "layout");
  mkdirSync(work);
  Bun.spawnSync(["tar", "-xf", "-"], { cwd: work, stdin: saved });
  const layout = Buffer.from(
    Bun.spawnSync(["tar", "-cf", "-", "blobs", "index.json", "oci-layout"], { cwd: work }).stdout,
  );
  expect((await load(layout)).map(({ reference }) => reference).sort()).toEqual([
    "fixture:base",
    "fixture:two",
    "other.example:5000/fixture:v2",
  ]);
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
function layout(
  lies: {
    manifest?: (manifest: Record<string, unknown>) => object;
    descriptor?: object;
    config?: object;
    layer?: Buffer;
    diffId?: string;
    extra?: Member[];
  } = {},
): Buffer {
  const layer = lies.layer ?? rootfs();
  const blobs: Member[] = [];
  const put = (content: Buffer | string): { digest: string; size: number } => {
    const digest = sha256(Buffer.from(content));
    blobs.push({ name: `blobs/sha256/${digest.slice(7)}`, content });
    return { digest, size: Buffer.byteLength(content) };
  };
  const config = put(
    JSON.stringify({
      os: "linux",
      architecture: "amd64",
      config: {},
      rootfs: { type: "layers", diff_ids: [lies.diffId ?? sha256(layer)] },
      ...lies.config,
    }),
  );
  const plain = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...put(layer) }],
  };
  const descriptor = {
    mediaType: plain.mediaType,
    ...put(JSON.stringify(lies.manifest?.(plain) ?? plain)),
    annotations: { "io.containerd.image.name": "docker.io/library/laid:out" },
    ...lies.descriptor,
  };
  return tarOf(
    ...blobs,
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }) },
    ...(lies.extra ?? []),
  );
}

test("an OCI layout loads under the name in its annotations", async () => {
  expect((await load(layout()))[0]?.reference).toBe("laid:out");
  expect(
    (await load(layout({ descriptor: { annotations: { "org.opencontainers.image.ref.name": "latest" } } })))[0]
      ?.reference,
  ).toBe("");
});

const wrong = `sha256:${"0".repeat(64)}`;
test.each<[string, () => Buffer, string]>([
  ["no image archive", () => rootfs(), "unrecognized image format"],
  [
    "a manifest that is an index too",
    () => layout({ manifest: (manifest) => ({ ...manifest, manifests: [] }) }),
    "a manifest and an index at once",
  ],
  [
    "a manifest of another kind than announced",
    () =>
      layout({
        manifest: (manifest) => ({ ...manifest, mediaType: "application/vnd.docker.distribution.manifest.v2+json" }),
      }),
    "is application/vnd.docker.distribution.manifest.v2+json",
  ],
  [
    "a manifest announced as an index",
    () =>
      layout({
        descriptor: { mediaType: "application/vnd.oci.image.index.v1+json" },
        manifest: ({ mediaType: _gone, ...rest }) => rest,
      }),
    "its content is not",
  ],
  ["a wrong size", () => layout({ descriptor: { size: 3 } }), "bytes long, not 3"],
  ["a missing blob", () => layout({ descriptor: { digest: wrong } }), "is named but not in it"],
  [
    "a digest that is a path",
    () => layout({ descriptor: { digest: "sha256:../../../../etc/passwd" } }),
    "a descriptor without digest",
  ],
  ["a wrong diff id", () => layout({ diffId: wrong }), "invalid diffID for layer 0"],
  [
    "fewer layers than diff ids",
    () => layout({ config: { rootfs: { type: "layers", diff_ids: [wrong, wrong] } } }),
    "layers length mismatch: expected 2, got 1",
  ],
  ["a hostile layer", () => layout({ layer: tarOf({ name: "../../canary", content: "x" }) }), "leads out"],
  ["another system's image", () => layout({ config: { os: "windows" } }), "cannot load windows image on linux"],
  ["two contents under one name", () => layout({ extra: [{ name: "index.json", content: "{}" }] }), "two different"],
  [
    "a blob with another's name",
    () =>
      layout({
        extra: [
          {
            name: "manifest.json",
            content: JSON.stringify([{ Config: `blobs/sha256/${"1".repeat(64)}`, RepoTags: null, Layers: [] }]),
          },
          { name: `blobs/sha256/${"1".repeat(64)}`, content: "{}" },
        ],
      }),
    "the digest of",
  ],
  [
    "a Docker manifest of the wrong form",
    () => tarOf({ name: "manifest.json", content: '[{"Config":{},"Layers":1}]' }),
    "not of Docker's form",
  ],
  ["a Docker manifest that is no JSON", () => tarOf({ name: "manifest.json", content: "[" }), "is not JSON"],
  [
    "a tag that is none",
    () => layout({ descriptor: { annotations: { "io.containerd.image.name": "Bad/../x:y" } } }),
    'invalid tag "Bad/../x:y"',
  ],
  [
    "a manifest of 9 MB",
    () => tarOf({ name: "manifest.json", content: Buffer.alloc(9 * 1024 * 1024, 32) }),
    "longer than",
  ],
  ["an archive that is cut", () => layout().subarray(0, 3000), "invalid image archive"],
  ["nothing", () => Buffer.alloc(0), "unrecognized image format"],
])("load refuses %s and leaves nothing", async (_what, archive, message) => {
  await expect(load(archive())).rejects.toThrow(message);
  await nothingLeft();
});

test("one bad image of an archive keeps the good ones out too", async () => {
  const good = tarOf({ name: "good", content: "x" });
  const config = JSON.stringify({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [sha256(good)] },
  });
  const bad = JSON.stringify({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: [sha256(good), wrong] },
  });
  const manifest = [
    { Config: "a.json", RepoTags: ["a:1"], Layers: ["l.tar"] },
    { Config: "b.json", RepoTags: ["b:1"], Layers: ["l.tar", "l.tar"] },
  ];
  await expect(
    load(
      tarOf(
        { name: "l.tar", content: good },
        { name: "a.json", content: config },
        { name: "b.json", content: bad },
        { name: "manifest.json", content: JSON.stringify(manifest) },
      ),
    ),
  ).rejects.toThrow("invalid diffID for layer 1");
  await nothingLeft();
});

test("a reference that moves to a loaded image leaves the old one without name", async () => {
  const old = await importTar(rootfs(), { repository: "laid", tag: "out" });
  const [loaded] = await load(layout({ layer: rootfs("other") }));
  expect(progress).toContainEqual({
    stream: `The image laid:out already exists, renaming the old one with ID ${old.id} to empty string\n`,
  });
  expect([images.resolve(old.id).references, images.resolve("laid:out").id]).toEqual([[], loaded?.image.id ?? ""]);
});

test("the same layers loaded by two at once are unpacked once", async () => {
  await Promise.all([load(fixture), load(fixture), load(fixture)]);
  expect([images.list().length, layers.layers().length]).toEqual([2, 2]);
});

test("a process killed between layer and row leaves nothing of the image", async () => {
  const program = `
    import { Database } from "bun:sqlite"; import { createReadStream } from "node:fs";
    const at = (path) => import(${JSON.stringify(join(import.meta.dir, "../.."))} + "/" + path);
    const { openSnapshotter } = await at("snapshots/open.ts"); const { ContentStore } = await at("content/store.ts"); const { openImages } = await at("images/open.ts");
    const dir = ${JSON.stringify(dir)};
    const images = await openImages({ db: new Database(dir + "/state.db"), content: new ContentStore({ root: dir + "/content" }), snapshotter: await openSnapshotter({ dataRoot: dir }), events: { publish() {} }, workFolder: dir + "/work" });
    await images.load(createReadStream(${JSON.stringify(join(import.meta.dir, "../fixtures/docker-20.10-save.tar.gz"))}), { quiet: true, report() {}, caller: { via: "engine" } });`;
  for (const [point, count] of [
    ["image.load.after-blob", 0],
    ["image.load.after-row", 2],
  ] as const) {
    const child = Bun.spawn([process.execPath, "-e", program], {
      env: { ...process.env, BERTH_FAULT: `${point}=kill` },
    });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    db.close();
    await start();
    expect([images.list().length, layers.layers().length]).toEqual([count, count]);
    if (count === 0) await nothingLeft();
  }
});
