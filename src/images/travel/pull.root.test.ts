import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import { tarOf } from "../../snapshots/apply/tar-fixture.ts";
import * as lab from "../images-lab.ts";
import { digestOf, slowly, TestRegistry } from "./registry-fixture.ts";

lab.useLab();
let registry: TestRegistry;
beforeEach(() => void (registry = new TestRegistry()));
afterEach(() => registry[Symbol.asyncDispose]());

const name = (tag = "1", repository = "a"): string => `${registry.host}/${repository}:${tag}`;
const tar = (text: string): Buffer =>
  tarOf({ name: "etc/", type: "folder", mode: 0o755 }, { name: `etc/${text}`, content: text });
/** Bytes that do not compress, so that the blob has pieces. */
const noise = (seed: number, bytes = 400_000): Buffer => {
  const parts = Array.from({ length: Math.ceil(bytes / 64) }, (_, index) =>
    createHash("sha512").update(`${seed} ${index}`).digest(),
  );
  return tarOf({ name: `noise-${seed}`, content: Buffer.concat(parts).subarray(0, bytes) });
};
const lines = (): string[] =>
  lab.progress.map(({ id, status }) => (id === undefined ? (status ?? "") : `${id}: ${status}`));
const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "nothing was thrown";
};
const mounted = async (reference: string, path: string): Promise<string> => {
  const key = `t${Math.random().toString(36).slice(2)}`;
  await lab.layers.prepare(key, lab.images.resolve(reference).chainIds);
  try {
    for (const folder of (lab.layers.paths(key)["LowerDir"] ?? "").split(":"))
      if (existsSync(join(folder, path))) return readFileSync(join(folder, path), "utf8");
    return "";
  } finally {
    await lab.layers.remove(key);
  }
};

test("an image comes with its layers, names, blobs and Docker's words", async () => {
  const { digest, id } = registry.image("a:1", [tar("one"), tar("two"), tar("three")]);
  const image = await lab.pull(name());
  expect(image).toMatchObject({ id, references: [name()], digests: [`${registry.host}/a@${digest}`] });
  expect(await mounted(name(), "etc/two")).toBe("two");
  expect(lab.content.list()).toHaveLength(3);
  expect(lines()[0]).toBe("1: Pulling from a");
  for (const status of [
    "Pulling fs layer",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
  ])
    expect(lines().filter((line) => line.endsWith(status)).length).toBeGreaterThanOrEqual(3);
  expect(lines().slice(-2)).toEqual([`Digest: ${digest}`, `Status: Downloaded newer image for ${name()}`]);
  expect(lab.actions()).toEqual([`pull ${name()}`]);
  await lab.restart();
  expect(lab.images.resolve(name())).toEqual(image);
});

test("an image that is here is asked for with one request, and nothing is fetched", async () => {
  registry.image("a:1", [tar("one")]);
  await lab.pull(name());
  registry.requests.length = 0;
  await lab.pull(name());
  expect(registry.requests).toEqual(["HEAD /v2/a/manifests/1"]);
  expect(lines().at(-1)).toBe(`Status: Image is up to date for ${name()}`);
});

test("a tag that moved takes its new image; the old one keeps its digest and its layers", async () => {
  const old = registry.image("a:1", [tar("one")]);
  const before = await lab.pull(name());
  registry.image("a:1", [tar("one"), tar("new")]);
  const after = await lab.pull(name());
  expect(lab.images.resolve(name()).id).toBe(after.id);
  expect(lab.images.resolve(before.id)).toMatchObject({
    references: [],
    digests: [`${registry.host}/a@${old.digest}`],
  });
  expect(lines().filter((line) => line.endsWith("Already exists"))).toHaveLength(1);
  await lab.remove(`${registry.host}/a@${old.digest}`);
  expect(await mounted(name(), "etc/one")).toBe("one");
});

test("by digest, all tags, zstd and plain layers, one layer twice, one without members", async () => {
  const one = registry.image("a:1", [tar("one"), tarOf(), tarOf(), tar("one")]);
  registry.image("a:2", [tar("two")], { pack: (bytes) => zstdCompressSync(bytes), layerType: mediaTypes.ociLayerZstd });
  registry.image("a:3", [tar("three")], { pack: (bytes) => bytes, layerType: mediaTypes.ociLayer });
  expect((await lab.pull(`${registry.host}/a@${one.digest}`)).references).toEqual([]);
  expect(lines()[0]).toBe(`${registry.host}/a@${one.digest}: Pulling from a`);
  await lab.pull(`${registry.host}/a`, { allTags: true });
  expect(
    lab.images
      .list()
      .flatMap(({ references }) => references)
      .sort(),
  ).toEqual([name("1"), name("2"), name("3")]);
  expect([await mounted(name("2"), "etc/two"), await mounted(name("3"), "etc/three")]).toEqual(["two", "three"]);
});

test("several platforms live under one tag; it means the host's, and goes with all of them", async () => {
  const make = (architecture: string, variant?: string) => ({
    ...registry.image(`a:${architecture}`, [tar(architecture)], {
      config: { architecture, ...(variant !== undefined && { variant }) },
    }),
    platform: { os: "linux", architecture, ...(variant !== undefined && { variant }) },
  });
  const [amd, arm] = [make("amd64"), make("arm64", "v8")];
  const attestation = {
    ...registry.manifest("a:att", { schemaVersion: 2 }),
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd.digest },
  };
  const index = registry.index("a:1", [arm, attestation, amd]);
  await lab.pull(name(), { platform: "linux/arm64" });
  expect(lab.images.resolve(name()).id).toBe(arm.id);
  await lab.pull(name());
  expect(lab.images.resolve(name()).id).toBe(amd.id);
  expect(lab.images.resolve(name(), { platform: "linux/arm64/v8" })).toMatchObject({
    id: arm.id,
    references: [],
    variantOf: [name()],
  });
  expect(lab.images.resolve(name()).digests).toEqual([`${registry.host}/a@${index.digest}`]);
  expect(await failure(Promise.resolve().then(() => lab.images.resolve(name(), { platform: "linux/s390x" })))).toBe(
    `image with reference ${name()} was found but its platform (linux/amd64) does not match the specified platform (linux/s390x)`,
  );
  expect(lab.images.manifests(name()).map(({ kind, image }) => [kind, image?.id])).toEqual([
    ["image", arm.id],
    ["attestation", undefined],
    ["image", amd.id],
  ]);
  await lab.restart();
  const pruned = await lab.images.prune({
    caller: lab.caller,
    inUse: () => [],
    keep: (image) => image.references.length > 0 || image.variantOf.length > 0,
  });
  expect(pruned.images).toEqual([]);
  await lab.remove(name());
  await lab.nothingLeft();
  expect(lab.content.list()).toEqual([]);
});

test("a layer that two pulls want is fetched once, and both are told of it", async () => {
  registry.image("a:1", [noise(1), tar("one")]);
  registry.image("b:1", [noise(1), tar("two")]);
  const [shared = ""] = lab.content.list().map(({ digest }) => digest);
  expect(shared).toBe("");
  const gate = Promise.withResolvers<void>();
  const both = new Set<string>();
  registry.tamper = (request, url) => {
    const digest = url.pathname.split("/blobs/")[1] ?? "";
    const blob = registry.blobs.get(digest);
    if (request.method !== "GET" || !blob || blob.length < 100_000) return undefined;
    return slowly([blob.subarray(0, 200_000), blob.subarray(200_000)], () => gate.promise);
  };
  const told = (who: string) => (line: { status?: string }) => {
    if (line.status === "Downloading") both.add(who);
    if (both.size === 2) gate.resolve();
  };
  await Promise.all([lab.pull(name("1", "a"), { report: told("a") }), lab.pull(name("1", "b"), { report: told("b") })]);
  const blobs = registry.requests.filter((line) => line.startsWith("GET") && line.includes("/blobs/"));
  expect(new Set(blobs.map((line) => line.split("/blobs/")[1])).size).toBe(blobs.length);
  expect([await mounted(name("1", "a"), "etc/one"), await mounted(name("1", "b"), "etc/two")]).toEqual(["one", "two"]);
});

/** Serves the first half of large blobs and then waits; what the client asks for later is served whole. */
function stopHalfWay(): { half: Promise<void>; open: () => void } {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let first = true;
  registry.tamper = (request, url) => {
    const blob = registry.blobs.get(url.pathname.split("/blobs/")[1] ?? "");
    if (request.method !== "GET" || !blob || blob.length < 100_000 || !first) return undefined;
    first = false;
    return slowly([blob.subarray(0, 300_000), blob.subarray(300_000)], () => {
      reached.resolve();
      return gate.promise;
    });
  };
  return { half: reached.promise, open: gate.resolve };
}
const partial = (): number => {
  const [file] = readdirSync(join(lab.dir, "content/ingest"));
  return file === undefined ? -1 : statSync(join(lab.dir, "content/ingest", file)).size;
};
const downloaded = (
  bytes: number,
): { report: (line: { status?: string; current?: number }) => void; seen: Promise<void> } => {
  const seen = Promise.withResolvers<void>();
  return {
    seen: seen.promise,
    report: ({ status, current = 0 }) => {
      if (status === "Downloading" && current >= bytes) seen.resolve();
    },
  };
};

test("a pull whose client leaves stops, and the next one, of a new process, goes on where it was", async () => {
  registry.image("a:1", [noise(2, 600_000)]);
  const { half, open } = stopHalfWay();
  const client = new AbortController();
  const { report, seen } = downloaded(1);
  const work = failure(lab.pull(name(), { signal: client.signal, report }));
  await Promise.all([half, seen]);
  client.abort();
  expect(await work).toContain("cancelled");
  open();
  expect(partial()).toBeGreaterThan(0);
  const had = partial();
  expect([lab.images.list(), lab.layers.layers()]).toEqual([[], []]);
  await lab.restart();
  registry.requests.length = 0;
  await lab.pull(name());
  expect(registry.asked(`bytes=${had}-`)).toHaveLength(1);
  expect(partial()).toBe(-1);
});

test("a pull whose client leaves goes on for another that wants the layer", async () => {
  registry.image("a:1", [noise(3, 600_000)]);
  const { half, open } = stopHalfWay();
  const client = new AbortController();
  const first = failure(lab.pull(name(), { signal: client.signal }));
  await half;
  const { report, seen } = downloaded(1);
  const second = lab.pull(name(), { report });
  await seen;
  client.abort();
  expect(await first).toContain("cancelled");
  open();
  await second;
  expect(registry.asked("bytes=")).toEqual([]);
  expect(lab.images.list()).toHaveLength(1);
});

test("a start that is not the blob's is found out, and everything is fetched anew", async () => {
  const { digest } = registry.image("a:1", [noise(4)]);
  expect(digest).toContain("sha256:");
  const [blob = ""] = [...registry.blobs].filter(([, bytes]) => bytes.length > 100_000).map(([key]) => key);
  writeFileSync(join(lab.dir, `content/ingest/${blob.replace(":", "-")}.partial`), Buffer.alloc(5000, 7));
  await lab.pull(name());
  expect(registry.asked(`/blobs/${blob}`)).toEqual([`GET /v2/a/blobs/${blob} bytes=5000-`, `GET /v2/a/blobs/${blob}`]);
});

test("a manifest that is no list is taken for another platform with a warning, as Docker does", async () => {
  registry.image("a:1", [tar("one")]);
  await lab.pull(name(), { platform: "linux/arm64" });
  expect(lines().at(-1)).toBe(
    `WARNING: image with reference ${name()} was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)`,
  );
});

const gzip = (bytes: Buffer): Buffer => Buffer.from(Bun.gzipSync(new Uint8Array(bytes)));
const zeros = `sha256:${"0".repeat(64)}`;

test.each<[string, () => void, string]>([
  ["no such tag", () => {}, "manifest for HOST/a:1 not found: manifest unknown: manifest unknown"],
  [
    "schema 1",
    () =>
      void registry.manifest(
        "a:1",
        { schemaVersion: 1, fsLayers: [] },
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
      ),
    "schema version 1 is not supported, only 2 is",
  ],
  [
    "a manifest that is an index as well",
    () => void registry.image("a:1", [tar("x")], { manifest: { manifests: [] } }),
    "a manifest and an index at once",
  ],
  [
    "an artifact",
    () => void registry.image("a:1", [tar("x")], { configType: "application/vnd.cncf.helm.config.v1+json" }),
    'encountered remote "application/vnd.cncf.helm.config.v1+json"(unknown) when fetching',
  ],
  [
    "a plugin",
    () => void registry.image("a:1", [tar("x")], { configType: "application/vnd.docker.plugin.v1+json" }),
    '"application/vnd.docker.plugin.v1+json"(plugin) when fetching',
  ],
  [
    "a layer of unknown kind",
    () => void registry.image("a:1", [tar("x")], { layerType: "application/vnd.in-toto+json" }),
    'unsupported layer media type "application/vnd.in-toto+json"',
  ],
  [
    "an encrypted layer",
    () => void registry.image("a:1", [tar("x")], { layerType: `${mediaTypes.ociLayerGzip}+encrypted` }),
    "unsupported layer media type",
  ],
  [
    "no image for the platform",
    () =>
      void registry.index("a:1", [
        { ...registry.image("a:2", [tar("x")]), platform: { os: "linux", architecture: "s390x" } },
      ]),
    "no matching manifest for linux/amd64 in the manifest list entries",
  ],
  [
    "an index without entries",
    () => void registry.index("a:1", []),
    "no matching manifest for linux/amd64 in the manifest list entries",
  ],
  [
    "a maze of indexes",
    () =>
      void [1, 2, 3, 4, 5].reduce(
        (below) => registry.index("a:1", [below]),
        registry.image("a:0", [tar("x")]) as object,
      ),
    "indexes within indexes",
  ],
  [
    "an entry of another length",
    () => void registry.index("a:1", [{ ...registry.image("a:2", [tar("x")]), size: 17 }]),
    "bytes long, not 17",
  ],
  [
    "an entry of another kind",
    () => void registry.index("a:1", [{ ...registry.image("a:2", [tar("x")]), mediaType: mediaTypes.ociManifest }]),
    "not application/vnd.oci.image.manifest.v1+json",
  ],
  [
    "a digest that leads out of the store",
    () =>
      void registry.image("a:1", [tar("x")], {
        manifest: {
          layers: [{ mediaType: mediaTypes.dockerLayerGzip, digest: "sha256:../../../../etc/passwd", size: 5 }],
        },
      }),
    "no digest that can be checked",
  ],
  [
    "another number of layers",
    () => void registry.image("a:1", [tar("x")], { config: { rootfs: { type: "layers", diff_ids: [zeros, zeros] } } }),
    "invalid manifest, layers length mismatch: expected 2, got 1",
  ],
  [
    "other layers than the configuration's",
    () => void registry.image("a:1", [tar("x")], { config: { rootfs: { type: "layers", diff_ids: [zeros] } } }),
    "layers from manifest don't match image configuration",
  ],
  [
    "a configuration without layers",
    () => void registry.image("a:1", [tar("x")], { config: { rootfs: undefined } }),
    "invalid rootfs in image configuration",
  ],
  [
    "diff ids that are paths",
    () => void registry.image("a:1", [tar("x")], { config: { rootfs: { type: "layers", diff_ids: ["../../x"] } } }),
    "diff_ids are no digests",
  ],
  [
    "another system",
    () => void registry.image("a:1", [tar("x")], { config: { os: "windows" } }),
    'image operating system "windows" cannot be used on this platform',
  ],
  [
    "a configuration of another digest",
    () =>
      lie(
        (type) => type === "config",
        (bytes) => Buffer.alloc(bytes.length, 32),
      ),
    "digest is",
  ],
  [
    "a configuration that is longer",
    () =>
      lie(
        (type) => type === "config",
        (bytes) => Buffer.concat([bytes, bytes]),
      ),
    "long",
  ],
  [
    "a blob of another digest",
    () =>
      lie(
        (type) => type === "layer",
        (bytes) => gzip(tar("y")).subarray(0, bytes.length),
      ),
    "",
  ],
  [
    "a blob that is shorter",
    () =>
      lie(
        (type) => type === "layer",
        (bytes) => bytes.subarray(0, bytes.length - 3),
      ),
    "",
  ],
  [
    "a blob that is longer",
    () =>
      lie(
        (type) => type === "layer",
        (bytes) => Buffer.concat([bytes, bytes]),
      ),
    "",
  ],
  ["a layer that is no archive", () => void registry.image("a:1", [Buffer.alloc(4096, 65)]), ""],
  [
    "a layer whose gzip is cut",
    () => void registry.image("a:1", [noise(9)], { pack: (bytes) => gzip(bytes).subarray(0, 50_000) }),
    "",
  ],
  [
    "a layer that leads out",
    () => void registry.image("a:1", [tarOf({ name: "../../../../tmp/out", content: "x" })]),
    "leads out",
  ],
])("refused, and nothing is left: %s", async (_what, make, text) => {
  make();
  const message = await failure(lab.pull(name()));
  expect(message).not.toBe("nothing was thrown");
  expect(message).toContain(text.replace("HOST", registry.host));
  await lab.layers.settled();
  expect([lab.images.list(), lab.layers.layers(), readdirSync(join(lab.dir, "snapshots/overlay/tmp"))]).toEqual([
    [],
    [],
    [],
  ]);
  await lab.restart();
  expect(lab.content.list()).toEqual([]); // what was verified before the rest failed is no image's
  registry.tamper = () => undefined;
  registry.image("a:1", [tar("good")]);
  await lab.pull(name());
  expect(await mounted(name(), "etc/good")).toBe("good");
});

/** An image whose registry gives other bytes for one of its blobs. */
function lie(which: (type: "config" | "layer") => boolean, change: (bytes: Buffer) => Buffer): void {
  registry.image("a:1", [noise(8, 60_000)]);
  registry.tamper = (request, url) => {
    const blob = registry.blobs.get(url.pathname.split("/blobs/")[1] ?? "");
    if (!blob || request.method !== "GET" || !which(blob[0] === 0x7b ? "config" : "layer")) return undefined;
    return new Response(new Uint8Array(change(blob)));
  };
}

test("a gzip bomb ends early, and what another image needs stays", async () => {
  registry.image("a:1", [tar("one")]);
  await lab.pull(name());
  const bomb = tarOf({ name: "zeros", content: Buffer.alloc(64 * 1024 * 1024) });
  const packed = gzip(bomb);
  const whole = Buffer.concat(Array.from({ length: 40 }, () => packed)); // members after each other: 2.5 GB
  registry.image("b:1", [bomb], { pack: () => whole });
  expect(await failure(lab.pull(name("1", "b")))).toMatch(/more than 250 times|don't match/);
  expect(await mounted(name(), "etc/one")).toBe("one");
}, 60_000);

test("images that share layers come and go at once, and none loses one", async () => {
  for (const tag of ["1", "2", "3"]) registry.image(`a:${tag}`, [noise(5, 50_000), noise(6, 50_000), tar(tag)]);
  const remove = async (tag: string): Promise<void> => {
    await lab.images.remove(name(tag), { caller: lab.caller, force: true, prune: true, inUse: () => [] });
  };
  for (let round = 0; round < 15; round++) {
    const pulls = ["1", "2", "3"].map((tag) => lab.pull(name(tag)));
    await Promise.race(pulls);
    await Promise.all([
      ...pulls,
      failure(remove("1")),
      failure(remove("3")),
      lab.images.prune({ caller: lab.caller, inUse: () => [], keep: (image) => image.references.length > 0 }),
    ]);
    for (const image of lab.images.list())
      expect(image.chainIds.every((chainId) => lab.layers.has(chainId))).toBe(true);
    for (const tag of ["1", "3"]) await failure(remove(tag));
  }
  expect(await mounted(name("2"), "etc/2")).toBe("2");
  expect(
    (await lab.images.check({ caller: lab.caller, repair: false, quick: false, inUse: () => [] })).findings,
  ).toEqual([]);
  expect(digestOf(Buffer.from(""))).toContain("sha256:");
});
