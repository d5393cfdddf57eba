import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import type { OciManifest } from "../../spec/oci/manifest.ts";
import { tarOf } from "../../snapshots/apply/tar-fixture.ts";
import * as lab from "../images-lab.ts";
import type { Progress } from "../images.ts";
import { digestOf, TestRegistry } from "./registry-fixture.ts";

lab.useLab();
let registry: TestRegistry;
beforeEach(() => void (registry = new TestRegistry()));
afterEach(() => registry[Symbol.asyncDispose]());

const tar = (text: string): Buffer => tarOf({ name: `etc/${text}`, content: text });
/** Three megabytes of which half compresses: several blocks for the packers. */
const large = (): Buffer => {
  const parts = Array.from({ length: 25_000 }, (_, index) => createHash("sha512").update(String(index)).digest());
  return tarOf({ name: "noise", content: Buffer.concat(parts) }, { name: "zeros", content: Buffer.alloc(1_500_000) });
};
const name = (repository: string, tag = "1"): string => `${registry.host}/${repository}:${tag}`;
const pushed = (repository: string, tag = "1"): { digest: string; value: OciManifest } => {
  const bytes = registry.manifests.get(`${repository}:${tag}`)?.bytes ?? Buffer.alloc(0);
  return { digest: digestOf(bytes), value: JSON.parse(bytes.toString()) as OciManifest };
};
const push = async (
  repository: string,
  options: Parameters<typeof lab.push>[1] = { tag: "1" },
): Promise<Progress[]> => {
  lab.progress.length = 0;
  await lab.push(`${registry.host}/${repository}`, options);
  return lab.progress;
};
const statuses = (progress: readonly Progress[]): string[] =>
  progress.flatMap(({ id, status, current }) =>
    current === undefined ? [id === undefined ? (status ?? "aux") : `${status}`] : [],
  );
const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "nothing was thrown";
};

test("an image made here goes with its layers compressed, in Docker's words, and comes back the same", async () => {
  const image = await lab.importTar(large(), { repository: `${registry.host}/a`, tag: "1" });
  const progress = await push("a");
  const { digest, value } = pushed("a");
  expect(value).toMatchObject({
    mediaType: mediaTypes.dockerManifest,
    config: { mediaType: mediaTypes.dockerConfig, digest: image.id },
    layers: [{ mediaType: mediaTypes.dockerLayerGzip }],
  });
  const blob = registry.blobs.get(value.layers[0]?.digest ?? "") ?? Buffer.alloc(0);
  expect(blob.length).toBeLessThan(2_000_000);
  expect(gunzipSync(blob).equals(large())).toBe(true);
  expect(statuses(progress)).toEqual([
    `The push refers to repository [${registry.host}/a]`,
    "Preparing",
    "Pushed",
    `1: digest: ${digest} size: ${registry.manifests.get("a:1")?.bytes.length}`,
    "aux",
  ]);
  expect(progress.at(-1)?.aux).toEqual({ Tag: "1", Digest: digest, Size: registry.manifests.get("a:1")?.bytes.length });
  expect(lab.images.resolve(name("a")).digests).toEqual([`${registry.host}/a@${digest}`]);
  expect(lab.actions()).toContain(`push ${name("a")}`);

  await lab.remove(name("a"));
  await lab.nothingLeft();
  expect(lab.content.list()).toEqual([]);
  expect((await lab.pull(name("a"))).id).toBe(image.id);
  expect(await push("a", { tag: "1" }).then(statuses)).toContain("Layer already exists");
  expect(pushed("a").digest).toBe(digest);
});

test("what was pulled goes elsewhere by the same bytes, and another registry's layer is fetched once more", async () => {
  const source = registry.image("a:1", [tar("one"), tar("two")], { layerType: mediaTypes.ociLayerGzip });
  await lab.pull(name("a"));
  await lab.images.tag(name("a"), { repository: `${registry.host}/b`, tag: "1" }, { caller: lab.caller });
  expect(statuses(await push("b"))).toContain("Mounted from a");
  expect(pushed("b").digest).toBe(source.digest);

  await using other = new TestRegistry();
  await lab.images.tag(name("a"), { repository: `${other.host}/c`, tag: "1" }, { caller: lab.caller });
  for (const { digest } of lab.content.list()) lab.content.delete(digest);
  await lab.push(`${other.host}/c`, { tag: "1" });
  expect(digestOf(other.manifests.get("c:1")?.bytes ?? Buffer.alloc(0))).toBe(source.digest);
  expect(other.blobs.size).toBe(3);
});

test("a commit's new layer goes, the ones below it are mounted", async () => {
  registry.image("base:1", [tar("one")]);
  const base = await lab.pull(name("base"));
  const { Readable } = await import("node:stream");
  await lab.images.commit({
    ...{ parent: base.id, diff: Readable.from([tar("mine")]), repository: `${registry.host}/mine`, tag: "1" },
    ...{ comment: "", author: "", config: {}, changes: [], containerId: "c", command: "sh", caller: lab.caller },
  });
  expect(
    statuses(await push("mine"))
      .filter((line) => /Pushed|Mounted/.test(line))
      .sort(),
  ).toEqual(["Mounted from base", "Pushed"]);
  expect(pushed("mine").value.layers).toHaveLength(2);
});

test("an index goes whole when all of it is here or there, else the host's image with a word about it", async () => {
  const make = (architecture: string) => ({
    ...registry.image(`a:${architecture}`, [tar(architecture)], { config: { architecture } }),
    platform: { os: "linux", architecture },
  });
  const [amd, arm] = [make("amd64"), make("arm64")];
  const index = registry.index("a:1", [amd, arm]);
  await lab.pull(name("a"));
  await using other = new TestRegistry();
  const to = (repository: string): Promise<void> =>
    lab.images.tag(name("a"), { repository: `${other.host}/${repository}`, tag: "1" }, { caller: lab.caller });
  const at = (repository: string): string => digestOf(other.manifests.get(`${repository}:1`)?.bytes ?? Buffer.alloc(0));
  await to("part");
  await lab.push(`${other.host}/part`, { tag: "1" });
  expect(at("part")).toBe(amd.digest);
  expect(lab.progress.at(-1)?.aux).toMatchObject({
    manifestPushedInsteadOfIndex: true,
    originalIndex: { digest: index.digest },
    selectedManifest: { digest: amd.digest },
  });
  await lab.pull(name("a"), { platform: "linux/arm64" });
  await to("whole");
  await lab.push(`${other.host}/whole`, { tag: "1" });
  expect(at("whole")).toBe(index.digest);
  await to("one");
  await lab.push(`${other.host}/one`, { tag: "1", platform: "linux/arm64" });
  expect(at("one")).toBe(arm.digest);
});

test("all tags go; what is not here is refused in Docker's words", async () => {
  const image = await lab.importTar(tar("x"), { repository: `${registry.host}/a`, tag: "1" });
  await lab.images.tag(image.id, { repository: `${registry.host}/a`, tag: "2" }, { caller: lab.caller });
  await push("a", { tag: "" });
  expect([...registry.manifests.keys()].filter((key) => key.startsWith("a:"))).toEqual(["a:1", "a:2"]);
  expect(await failure(push("a", { tag: "3" }))).toBe(`tag does not exist: ${name("a", "3")}`);
  expect(lab.progress[0]?.status).toBe(`The push refers to repository [${registry.host}/a]`);
  expect(await failure(push("b", { tag: "" }))).toBe(
    `An image does not exist locally with the tag: ${registry.host}/b`,
  );
  expect(await failure(lab.push(`${registry.host}/a@${image.id}`, { tag: "1" }))).toBe(
    "cannot push a digest reference",
  );
});

test("a foreign layer stays where it is", async () => {
  registry.image("a:1", [tar("one")], { layerType: mediaTypes.dockerForeignLayerGzip });
  await lab.pull(name("a"));
  await using other = new TestRegistry();
  await lab.images.tag(name("a"), { repository: `${other.host}/a`, tag: "1" }, { caller: lab.caller });
  await lab.push(`${other.host}/a`, { tag: "1" });
  expect(lab.progress.map(({ status }) => status)).toContain("Skipped foreign layer");
  expect(other.blobs.size).toBe(1);
});

test("zstd where it is set, and the same layer always gives the same bytes", async () => {
  lab.settings.compression = "zstd";
  await lab.importTar(large(), { repository: `${registry.host}/a`, tag: "1" });
  await push("a");
  const { value } = pushed("a");
  expect([value.mediaType, value.layers[0]?.mediaType]).toEqual([mediaTypes.ociManifest, mediaTypes.ociLayerZstd]);
  expect(zstdDecompressSync(registry.blobs.get(value.layers[0]?.digest ?? "") ?? Buffer.alloc(0)).equals(large())).toBe(
    true,
  );
  await lab.remove(name("a"));
  await lab.importTar(large(), { repository: `${registry.host}/a`, tag: "2" });
  await push("a", { tag: "2" });
  expect(pushed("a", "2").value.layers).toEqual(value.layers);
});

test("dropped blobs are fetched again for a push elsewhere, and the digest is the same", async () => {
  lab.settings.layerBlobs = "drop";
  const source = registry.image("a:1", [tar("one")]);
  await lab.pull(name("a"));
  expect(lab.content.list()).toEqual([]);
  await using other = new TestRegistry();
  await lab.images.tag(name("a"), { repository: `${other.host}/a`, tag: "1" }, { caller: lab.caller });
  await lab.push(`${other.host}/a`, { tag: "1" });
  expect(digestOf(other.manifests.get("a:1")?.bytes ?? Buffer.alloc(0))).toBe(source.digest);
  expect(lab.content.list()).toEqual([]);
});

test("a registry that refuses the manifest, or loses the upload, leaves the tag as it was", async () => {
  const image = await lab.importTar(tar("x"), { repository: `${registry.host}/a`, tag: "1" });
  registry.tamper = (request) =>
    request.method === "PUT" && request.url.includes("/manifests/")
      ? Response.json(
          { errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] },
          { status: 403 },
        )
      : undefined;
  expect(await failure(push("a"))).toContain("denied");
  expect(lab.images.resolve(name("a"))).toMatchObject({ id: image.id, digests: [] });
  registry.tamper = (request) =>
    request.method === "PATCH" || request.method === "PUT" ? new Response("", { status: 500 }) : undefined;
  expect(await failure(push("a"))).toContain("500");
  registry.tamper = () => undefined;
  await push("a");
});

test("a push that is cancelled ends, and the layer it had packed is used by the next one", async () => {
  await lab.importTar(large(), { repository: `${registry.host}/a`, tag: "1" });
  const client = new AbortController();
  registry.tamper = async (request) => {
    if (request.method === "POST") client.abort();
    return undefined as unknown as Response;
  };
  expect(await failure(push("a", { tag: "1", signal: client.signal }))).toContain("cancelled");
  registry.tamper = () => undefined;
  const packed = lab.content.list();
  expect(packed).toHaveLength(1);
  await push("a");
  expect(pushed("a").value.layers[0]?.digest).toBe(packed[0]?.digest ?? "");
});

test("a layer whose files were changed is not pushed", async () => {
  const image = await lab.importTar(tar("x"), { repository: `${registry.host}/a`, tag: "1" });
  await lab.layers.prepare("c", image.chainIds);
  const [folder = ""] = (lab.layers.paths("c")["LowerDir"] ?? "").split(":");
  await Bun.write(`${folder}/etc/x`, "y");
  expect(await failure(push("a"))).toContain("is not what was unpacked");
  expect([registry.manifests.size, lab.content.list()]).toEqual([0, []]);
  await lab.layers.remove("c");
});

test("a blob that a manifest only says to hold a layer is never pushed for that layer of another image", async () => {
  const base = tar("base");
  const mine = await lab.importTar(base, { repository: `${registry.host}/mine`, tag: "1" });
  // the layer is here, so nothing of the image is fetched: whatever its manifest says is not looked at
  const [evil = ""] = (await import("../chain-id.ts")).chainIds([digestOf(tar("evil"))]);
  registry.image("evil:1", [tar("evil")], { config: { rootfs: { type: "layers", diff_ids: [digestOf(base)] } } });
  expect(await failure(lab.pull(name("evil")))).toBe("nothing was thrown");
  expect(lab.layers.has(evil)).toBe(false);
  await push("mine");
  const blob = registry.blobs.get(pushed("mine").value.layers[0]?.digest ?? "") ?? Buffer.alloc(0);
  expect(gunzipSync(blob).equals(base)).toBe(true);
  expect(lab.images.resolve(mine.id).id).toBe(mine.id);

  // one that fails leaves nothing that is believed either
  registry.image("lie:1", [tar("evil")], { config: { rootfs: { type: "layers", diff_ids: [digestOf(tar("late"))] } } });
  expect(await failure(lab.pull(name("lie")))).toContain("don't match");
  await lab.importTar(tar("late"), { repository: `${registry.host}/late`, tag: "1" });
  await push("late");
  const late = registry.blobs.get(pushed("late").value.layers[0]?.digest ?? "") ?? Buffer.alloc(0);
  expect(gunzipSync(late).equals(tar("late"))).toBe(true);
});
