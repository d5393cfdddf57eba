import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Member, patched, tarOf } from "../../snapshots/apply/tar-fixture.ts";
import { sha256 } from "../chain-id.ts";
import {
  caller,
  dir,
  importTar,
  images,
  layers,
  load,
  nothingLeft,
  remove,
  rootfs,
  save,
  useLab,
} from "../images-lab.ts";

useLab();

const oci = "application/vnd.oci.image";

/** Blobs of an OCI layout that is being made. */
class Layout {
  readonly members: Member[] = [];
  readonly manifests: object[] = [];

  put(mediaType: string, content: Buffer | object, algorithm: "sha256" | "sha512" = "sha256") {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const hex = new Bun.CryptoHasher(algorithm).update(bytes).digest("hex");
    this.members.push({ name: `blobs/${algorithm}/${hex}`, content: bytes });
    return { mediaType, digest: `${algorithm}:${hex}`, size: bytes.length };
  }

  image(layer: Buffer, options: { architecture?: string; os?: string; packed?: boolean; algorithm?: "sha512" } = {}) {
    const { architecture = "amd64", os = "linux" } = options;
    const config = this.put(`${oci}.config.v1+json`, {
      os,
      architecture,
      config: {},
      rootfs: { type: "layers", diff_ids: [sha256(layer)] },
    });
    const blob =
      options.packed === false
        ? this.put(`${oci}.layer.v1.tar`, layer)
        : this.put(`${oci}.layer.v1.tar+gzip`, gzipSync(layer), options.algorithm);
    const manifest = { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: [blob] };
    return { ...this.put(manifest.mediaType, manifest), platform: { os, architecture } };
  }

  index(manifests: object[]) {
    return this.put(`${oci}.index.v1+json`, { schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests });
  }

  name(descriptor: object, annotations: Record<string, string>): this {
    this.manifests.push({ ...descriptor, annotations });
    return this;
  }

  tar(): Buffer {
    return tarOf(
      ...this.members,
      { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
      { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: this.manifests }) },
    );
  }
}

const named = (reference: string) => ({ "io.containerd.image.name": `docker.io/library/${reference}` });
const source = (registry: string, path: string) => ({ [`containerd.io/distribution.source.${registry}`]: path });
const blobs = (): string[] => readdirSync(join(dir, "content/sha256"));
const inside = (tar: Buffer, name: string): string =>
  Bun.spawnSync(["tar", "-xOf", "-", name], { stdin: tar }).stdout.toString();
const names = (tar: Buffer): string[] =>
  Bun.spawnSync(["tar", "-tf", "-"], { stdin: tar }).stdout.toString().split("\n").filter(Boolean);

test("compressed layers and manifests leave as they came, and the archive is the same file again", async () => {
  const layout = new Layout();
  const manifest = layout.image(rootfs());
  const tar = layout.name(manifest, { ...named("kept:1"), ...source("reg.example:5000", "team/app,other") }).tar();
  await load(tar);
  expect(images.resolve("kept:1").digests).toEqual([
    `reg.example:5000/other@${manifest.digest}`,
    `reg.example:5000/team/app@${manifest.digest}`,
  ]);
  const saved = await save("kept:1");
  const [entry] = (JSON.parse(inside(saved, "index.json")) as { manifests: Record<string, unknown>[] }).manifests;
  expect(entry).toMatchObject({
    digest: manifest.digest,
    annotations: { ...source("reg.example:5000", "other,team/app"), "org.opencontainers.image.ref.name": "1" },
  });
  for (const { name } of layout.members) expect(names(saved)).toContain(name);
  await remove("kept:1", { force: true });
  for (const digest of [...(images.list()[0]?.digests ?? [])]) await remove(digest, { force: true });
  await nothingLeft();
  expect(blobs()).toEqual([]);
  await load(saved);
  expect(Buffer.compare(await save("kept:1"), saved)).toBe(0);
});

test("an index loads those of its images that are in the archive, and keeps its digest", async () => {
  const layout = new Layout();
  const [amd, arm, windows] = [
    layout.image(rootfs("amd")),
    layout.image(rootfs("arm"), { architecture: "arm64" }),
    layout.image(rootfs("win"), { os: "windows" }),
  ];
  const absent = {
    mediaType: `${oci}.manifest.v1+json`,
    digest: `sha256:${"a".repeat(64)}`,
    size: 7,
    platform: { os: "linux", architecture: "s390x" },
  };
  const attestation = {
    ...layout.put(`${oci}.manifest.v1+json`, Buffer.from("{}")),
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { "vnd.docker.reference.type": "attestation-manifest" },
  };
  const index = layout.index([amd, arm, windows, absent, attestation]);
  await load(layout.name(index, named("many:1")).tar());
  expect(
    images
      .list()
      .map(({ config }) => config.architecture)
      .sort(),
  ).toEqual(["amd64", "arm64"]);
  expect(images.resolve("many:1", { platform: "linux/arm64" }).config.architecture).toBe("arm64");
  const saved = await save("many:1");
  expect(
    (JSON.parse(inside(saved, "index.json")) as { manifests: { digest: string }[] }).manifests.map(
      ({ digest }) => digest,
    ),
  ).toEqual([index.digest]);
  expect(names(saved)).not.toContain(`blobs/sha256/${windows.digest.slice(7)}`);
});

test("only the platforms that are asked for come in", async () => {
  const layout = new Layout();
  const index = layout.index([layout.image(rootfs("amd")), layout.image(rootfs("arm"), { architecture: "arm64" })]);
  const tar = layout.name(index, named("many:1")).tar();
  const { Readable } = await import("node:stream");
  const one = (platforms: string[]) =>
    images.load(Readable.from([tar]), { quiet: true, report() {}, caller, platforms });
  await expect(one(["linux/riscv64"])).rejects.toThrow(
    "no image for linux/riscv64 in it, only for linux/amd64, linux/arm64",
  );
  await nothingLeft();
  await one(["linux/arm64"]);
  expect(images.list().map(({ config }) => config.architecture)).toEqual(["arm64"]);
  expect(layers.layers()).toHaveLength(1);
});

test("layers that are here need not be in the archive; without them it is refused", async () => {
  await importTar(rootfs("base"), { repository: "base", tag: "1" });
  const { Readable } = await import("node:stream");
  const all = await save("base:1");
  const omit = new Set(images.resolve("base:1").chainIds);
  const part = Buffer.concat(
    await Array.fromAsync((await images.save(["base:1"], { caller, omit })) as AsyncIterable<Buffer>),
  );
  expect(part.length).toBeLessThan(all.length);
  await remove("base:1");
  await nothingLeft();
  await expect(images.load(Readable.from([part]), { quiet: true, report() {}, caller })).rejects.toThrow(
    "is named but not in it",
  );
  await nothingLeft();
  await load(all);
  const id = images.resolve("base:1").id;
  expect((await load(part)).map(({ image }) => image.id)).toEqual([id]);
});

test("an image may be removed while an archive that counts on its layers comes in", async () => {
  await importTar(rootfs("x".repeat(100_000)), { repository: "old", tag: "1" });
  const saved = await save("old:1");
  const { Readable } = await import("node:stream");
  async function* slowly(): AsyncGenerator<Buffer> {
    yield saved.subarray(0, 110_000); // the layer is in it, the documents are not
    await remove("old:1");
    expect(images.list()).toEqual([]);
    yield saved.subarray(110_000);
  }
  const [loaded] = await images.load(Readable.from(slowly()), { quiet: true, report() {}, caller });
  expect(loaded?.reference).toBe("old:1");
  expect(Buffer.compare(await save("old:1"), saved)).toBe(0);
  // and when it does not come to that, nobody needs the layer any more
  async function* cut(): AsyncGenerator<Buffer> {
    yield saved.subarray(0, 110_000);
    await remove("old:1");
  }
  const failing = images.load(Readable.from(cut()), { quiet: true, report() {}, caller });
  await expect(failing).rejects.toThrow("invalid image archive");
  await nothingLeft();
});

test("a layer that two images have at other places of their chains comes once, and is unpacked for both", async () => {
  const [one, two] = [rootfs("one"), tarOf({ name: "two", content: "2" })];
  const config = (order: Buffer[]) =>
    JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: order.map(sha256) } });
  const tar = tarOf(
    { name: "1/layer.tar", content: one },
    { name: "2/layer.tar", content: two },
    { name: "a.json", content: config([one, two]) },
    { name: "b.json", content: config([two, one]) },
    {
      name: "manifest.json",
      content: JSON.stringify([
        { Config: "a.json", RepoTags: ["a:1"], Layers: ["1/layer.tar", "2/layer.tar"] },
        { Config: "b.json", RepoTags: ["b:1"], Layers: ["2/layer.tar", "1/layer.tar"] },
      ]),
    },
  );
  await load(tar);
  expect(layers.layers()).toHaveLength(4);
  await save("a:1", "b:1"); // every layer has its bytes
});

test("a blob of sha512 is checked, kept and given back", async () => {
  const layout = new Layout();
  const manifest = layout.image(rootfs(), { algorithm: "sha512" });
  await load(layout.name(manifest, named("long:1")).tar());
  const saved = await save("long:1");
  expect(names(saved).some((name) => /^blobs\/sha512\/[0-9a-f]{128}$/.test(name))).toBe(true);
  expect(inside(saved, "index.json")).toContain(manifest.digest);
});

test.each<[string, (layout: Layout) => void, string]>([
  [
    "a source that leads out",
    (layout) => void layout.name(layout.image(rootfs()), { ...named("x:1"), ...source("h", "../../../etc") }),
    "invalid source",
  ],
  [
    "indexes in indexes without end",
    (layout) => {
      let inner: object = layout.image(rootfs());
      for (let depth = 0; depth < 6; depth++) inner = layout.index([inner]);
      layout.name(inner, named("x:1"));
    },
    "indexes within indexes",
  ],
  [
    "a compressed layer that is another's",
    (layout) => {
      const manifest = layout.image(rootfs());
      const at = layout.members.findIndex(({ content }) => Buffer.isBuffer(content) && content[0] === 0x1f);
      layout.members[at] = { name: layout.members[at]?.name ?? "", content: gzipSync(rootfs("other")) };
      layout.name(manifest, named("x:1"));
    },
    "the digest of",
  ],
  [
    "a compressed layer that is cut",
    (layout) => {
      const packed = gzipSync(rootfs("x".repeat(5000)));
      const blob = layout.put(`${oci}.layer.v1.tar+gzip`, packed.subarray(0, packed.length - 20));
      const config = layout.put(`${oci}.config.v1+json`, {
        os: "linux",
        architecture: "amd64",
        rootfs: { type: "layers", diff_ids: [sha256(rootfs("x".repeat(5000)))] },
      });
      const manifest = { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: [blob] };
      layout.name(layout.put(manifest.mediaType, manifest), named("x:1"));
    },
    "not whole gzip data",
  ],
  [
    "a list that is no list",
    (layout) => void layout.name(layout.put(`${oci}.index.v1+json`, { schemaVersion: 2, manifests: 7 }), named("x:1")),
    "manifests is no list",
  ],
])("load refuses %s, and nothing of it stays", async (_what, make, message) => {
  const layout = new Layout();
  make(layout);
  await expect(load(layout.tar())).rejects.toThrow(message);
  await nothingLeft();
  expect(blobs()).toEqual([]);
});

test("headers without end are not kept in memory", async () => {
  const { Readable } = await import("node:stream");
  const header = patched(tarOf({ name: "PaxHeaders/x" }).subarray(0, 512), [
    [124, "77777777777\0"],
    [156, "x"],
  ]);
  let sent = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    yield header;
    for (; sent < 1024; sent++) yield Buffer.alloc(1024 * 1024, 65);
  }
  const loading = images.load(Readable.from(endless()), { quiet: true, report() {}, caller });
  await expect(loading).rejects.toThrow("Header exceeds max size");
  expect(sent).toBeLessThan(20);
  await nothingLeft();
});

test("an archive that is no layer beside an image is no matter", async () => {
  const layout = new Layout();
  layout.members.push({ name: "chart.tgz", content: gzipSync(Buffer.from("no tar at all, but packed")) });
  layout.members.push({ name: "other.tar", content: tarOf({ name: "../../canary", content: "x" }) });
  await load(layout.name(layout.image(rootfs()), named("fine:1")).tar());
  expect(images.list()).toHaveLength(1);
  expect(readdirSync(join(dir, "content/ingest"))).toEqual([]);
  await layers.settled();
  expect(readdirSync(join(dir, "snapshots/overlay/tmp"))).toEqual([]);
});
