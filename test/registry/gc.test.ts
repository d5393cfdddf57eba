// The collection against clients that push, mount and ask at the same time; and against crashes.
import { expect, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../harness/run.ts";
import { describe, digestOf, imageOf, startRegistry, type TestRegistry } from "../harness/registry.ts";

const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });

const settings = (grace: string): string => `
anonymous: [{actions: [pull, push, delete]}]
gc: {grace: ${grace}, every: 0, untagged: true}
`;

async function collect(registry: TestRegistry, options: object = {}) {
  const answer = await fetch("http://r/berth/v1/collection", {
    method: "POST",
    body: JSON.stringify(options),
    unix: join(registry.root, "admin.sock"),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { blobs: number; bytes: number; manifests: number; orphans: number; uploads: number };
}

async function blobFiles(registry: TestRegistry): Promise<string[]> {
  const names = await readdir(join(registry.root, "blobs"), { recursive: true });
  return names.filter((name) => /[0-9a-f]{64}$/.test(name)).map((name) => name.slice(name.lastIndexOf("/") + 1));
}

/** Every tag leads to a manifest whose every blob comes back with its digest. */
async function verifyAll(registry: TestRegistry): Promise<number> {
  const { repositories } = (await (await registry.request("GET", "/v2/_catalog?n=1000")).json()) as {
    repositories: string[];
  };
  let verified = 0;
  for (const name of repositories) {
    const { tags } = (await (await registry.request("GET", `/v2/${name}/tags/list`)).json()) as { tags: string[] };
    for (const tag of tags) {
      const manifest = await registry.request("GET", `/v2/${name}/manifests/${tag}`);
      expect([name, tag, manifest.status]).toEqual([name, tag, 200]);
      const { config: one, layers } = (await manifest.json()) as ReturnType<typeof imageOf>;
      for (const { digest } of [one, ...layers]) {
        const blob = await registry.request("GET", `/v2/${name}/blobs/${digest}`);
        expect([name, tag, digest, blob.status]).toEqual([name, tag, digest, 200]);
        expect(digestOf(await blob.bytes())).toBe(digest);
      }
      verified += 1;
    }
  }
  return verified;
}

test("a collection removes what was deleted and keeps the rest; a dry run says so before and removes nothing", async () => {
  await using registry = await startRegistry({ config: settings("0") });
  await registry.pushImage("a/kept", "one", "shared layer");
  const gone = await registry.pushImage("a/gone", "one", "a layer of the gone one");
  await registry.pushImage("a/gone", "two", "shared layer");
  await registry.pushBlob("a/gone", "a blob that no manifest names");
  expect((await registry.request("DELETE", `/v2/a/gone/manifests/${gone}`)).status).toBe(202);
  await Bun.sleep(2); // the grace time is over when the clock has moved
  const before = await blobFiles(registry);
  const said = await collect(registry, { dryRun: true });
  expect([said.blobs, said.manifests]).toEqual([2, 0]);
  expect(await blobFiles(registry)).toEqual(before);
  expect(await collect(registry)).toMatchObject({ blobs: 2, bytes: said.bytes });
  const left = await blobFiles(registry);
  expect(left.sort()).toEqual([config, "shared layer"].map((text) => digestOf(text).slice(7)).sort());
  expect(await verifyAll(registry)).toBe(2);
});

test("untagged manifests go, but for children of indexes, referrers, and what a client was told of lately", async () => {
  await using registry = await startRegistry({ config: settings("0") });
  const child = await registry.pushImage("u", "child", "one");
  const subject = await registry.pushImage("u", "subject", "two");
  const lonely = await registry.pushImage("u", "lonely", "three");
  await registry.pushManifest(
    "u",
    "referrer",
    imageOf(config, ["one"], {
      subject: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: subject, size: 1 },
      annotations: { a: "b" },
    }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [describe(JSON.stringify(imageOf(config, ["one"])), "application/vnd.oci.image.manifest.v1+json")],
  };
  await registry.pushManifest("u", "index", index);
  for (const tag of ["child", "referrer", "lonely"])
    expect((await registry.request("DELETE", `/v2/u/manifests/${tag}`)).status).toBe(202);
  await Bun.sleep(2); // the grace time is over when the clock has moved
  expect(await collect(registry, { dryRun: true })).toMatchObject({ manifests: 1, blobs: 1 });
  expect(await collect(registry)).toMatchObject({ manifests: 1, blobs: 1 });
  expect((await registry.request("HEAD", `/v2/u/manifests/${lonely}`)).status).toBe(404);
  expect((await registry.request("HEAD", `/v2/u/manifests/${child}`)).status).toBe(200);
  const { manifests } = (await (await registry.request("GET", `/v2/u/referrers/${subject}`)).json()) as {
    manifests: unknown[];
  };
  expect(manifests).toHaveLength(1);
});

test("within the grace time a client may count on what it was told: by an upload, by HEAD, by a mount", async () => {
  await using registry = await startRegistry({ config: settings("1h") });
  const digest = await registry.pushBlob("g/one", "told by an upload");
  expect((await registry.request("POST", `/v2/g/two/blobs/uploads/?mount=${digest}&from=g/one`)).status).toBe(201);
  expect((await registry.request("DELETE", `/v2/g/one/blobs/${digest}`)).status).toBe(202);
  expect((await collect(registry)).blobs).toBe(0);
  expect((await registry.request("HEAD", `/v2/g/two/blobs/${digest}`)).status).toBe(200);
  expect((await registry.request("DELETE", `/v2/g/two/blobs/${digest}`)).status).toBe(202);
  expect((await collect(registry)).blobs).toBe(1); // both let it go: nobody was told of it since
  expect(await blobFiles(registry)).toEqual([]);
});

/** Pushes as a client does: asks, mounts or uploads, puts the manifest, and begins again when a blob is gone meanwhile. */
async function pushAsClient(
  registry: TestRegistry,
  image: { name: string; tag: string; layers: readonly string[] },
  counts: { again: number },
): Promise<void> {
  const { name, tag, layers } = image;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    for (const blob of [config, ...layers]) {
      const digest = digestOf(blob);
      if ((await registry.request("HEAD", `/v2/${name}/blobs/${digest}`)).status === 200) continue;
      const mount = await registry.request("POST", `/v2/${name}/blobs/uploads/?mount=${digest}`);
      if (mount.status === 201) continue;
      expect(mount.status).toBe(202);
      const put = await registry.request("PUT", `${mount.headers.get("location")}?digest=${digest}`, { body: blob });
      expect([put.status, put.status === 201 ? "" : await put.text()]).toEqual([201, ""]);
    }
    const answer = await registry.request("PUT", `/v2/${name}/manifests/${tag}`, {
      body: JSON.stringify(imageOf(config, layers)),
      headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" },
    });
    if (answer.status === 201) return;
    expect((await answer.text()).includes("MANIFEST_BLOB_UNKNOWN")).toBe(true);
    counts.again += 1;
  }
  throw new Error(`${name}:${tag} was never pushed`);
}

for (const [grace, restarts] of [
  ["0", "some"],
  ["1h", "none"],
] as const) {
  test(`pushes, mounts and deletions race collections for seconds with a grace time of ${grace}: every tag stays whole`, async () => {
    await using registry = await startRegistry({ config: settings(grace) });
    const untilMs = Date.now() + 3500;
    const counts = { again: 0, pushes: 0, collected: 0, blobs: 0 };
    const layers = Array.from({ length: 8 }, (_, n) => `layer ${n} `.repeat(500 + n));
    const random = (below: number): number => Math.floor(Math.random() * below);
    const pusher = async (who: number): Promise<void> => {
      while (Date.now() < untilMs) {
        const name = `race/${(who + random(2)) % 4}`;
        const tag = `t${random(3)}`;
        const chosen = layers.filter(() => random(3) === 0);
        await pushAsClient(registry, { name, tag, layers: chosen }, counts);
        counts.pushes += 1;
        if (random(2) === 0) {
          const head = await registry.request("HEAD", `/v2/${name}/manifests/t${random(3)}`);
          const digest = head.headers.get("docker-content-digest");
          if (digest !== null) await registry.request("DELETE", `/v2/${name}/manifests/${digest}`);
        }
      }
    };
    const collector = async (): Promise<void> => {
      while (Date.now() < untilMs) {
        const { blobs } = await collect(registry);
        counts.collected += 1;
        counts.blobs += blobs;
      }
    };
    await Promise.all([...[0, 1, 2, 3, 4].map(pusher), collector()]);
    expect(counts.pushes).toBeGreaterThan(20);
    expect(counts.collected).toBeGreaterThan(5);
    if (restarts === "none") expect(counts.again).toBe(0);
    else expect(counts.blobs).toBeGreaterThan(0);
    await pushAsClient(registry, { name: "race/0", tag: "last", layers }, counts);
    expect(await verifyAll(registry)).toBeGreaterThan(0);
    await collect(registry);
    expect(await verifyAll(registry)).toBeGreaterThan(0);
  });
}

for (const point of ["registry.condemned", "registry.removed"]) {
  test(`a registry that dies at ${point} finishes that collection at the next`, async () => {
    await using registry = await startRegistry({ config: settings("0") });
    await registry.pushImage("crash/kept", "one", "kept");
    const lost = await registry.pushBlob("crash/kept", "no manifest names it");
    await registry.stop();
    await registry.start({ BERTH_FAULT: `${point}=kill` });
    const died = await fetch("http://r/berth/v1/collection", {
      method: "POST",
      unix: join(registry.root, "admin.sock"),
    }).then(
      () => false,
      () => true,
    );
    expect(died).toBe(true);
    await registry.kill();
    await registry.start();
    // condemned: no client is told of it any more, and it can be brought again
    expect((await registry.request("HEAD", `/v2/crash/kept/blobs/${lost}`)).status).toBe(404);
    if (point === "registry.removed") await registry.pushBlob("crash/kept", "no manifest names it");
    await collect(registry);
    expect(await verifyAll(registry)).toBe(1);
    expect(await blobFiles(registry)).not.toContain(lost.slice(7));
  });
}

test("collections run by themselves, as often as the settings say", async () => {
  await using registry = await startRegistry({
    config: "anonymous: [{actions: [pull, push, delete]}]\ngc: {grace: 0, every: 200ms}\n",
  });
  const digest = await registry.pushBlob("periodic", "no manifest names it");
  await until("it is collected", async () => {
    const head = await registry.request("GET", `/v2/periodic/blobs/${digest}`);
    return head.status === 404;
  });
  await until("it is said", async () => /"msg":"a collection ended".*"blobs":1/.test(await registry.log()));
});

test("files that no row knows are removed when they are old; a row without its file does not stop anything", async () => {
  await using registry = await startRegistry({ config: settings("0") });
  await registry.pushImage("o", "one", "layer");
  const orphan = digestOf("an orphan");
  await registry.stop();
  const shard = join(registry.root, "blobs/sha256", orphan.slice(7, 9));
  await Bun.write(join(shard, orphan.slice(7)), "an orphan");
  await writeFile(join(registry.root, "uploads", "left-over"), "");
  await registry.start();
  await Bun.sleep(2); // the grace time is over when the clock has moved
  expect((await collect(registry, { dryRun: true })).orphans).toBe(1);
  expect((await collect(registry)).orphans).toBe(1);
  expect(await blobFiles(registry)).not.toContain(orphan.slice(7));
  expect(await verifyAll(registry)).toBe(1);
});

test("bytes that were lost, cut or changed are found, and brought again by the next push behind a repair", async () => {
  await using registry = await startRegistry({ config: settings("1h") });
  const layers = ["lost", "cut short", "changed", "whole"];
  for (const layer of layers) await registry.pushBlob("damaged", layer);
  await registry.pushBlob("damaged", config);
  await registry.pushManifest("damaged", "one", imageOf(config, layers));
  const pathOf = (text: string): string => {
    const hex = digestOf(text).slice(7);
    return join(registry.root, "blobs/sha256", hex.slice(0, 2), hex);
  };
  await rm(pathOf("lost"));
  await writeFile(pathOf("cut short"), "cut");
  await writeFile(pathOf("changed"), "CHANGED");
  const quick = await registry.berth(["check"]);
  expect([quick.status, quick.stdout]).toEqual([1, expect.stringContaining("5 blobs, 2 damaged")]);
  const repaired = await registry.berth(["check", "--digests", "--repair"]);
  expect([repaired.status, repaired.stdout]).toEqual([0, expect.stringContaining("5 blobs, 3 damaged, now forgotten")]);
  expect(repaired.stdout).toContain(`${digestOf("changed")}: its content is not that of its digest`);
  for (const layer of layers) {
    const head = await registry.request("HEAD", `/v2/damaged/blobs/${digestOf(layer)}`);
    expect([layer, head.status]).toEqual([layer, layer === "whole" ? 200 : 404]);
  }
  await pushAsClient(registry, { name: "damaged", tag: "one", layers }, { again: 0 });
  expect(await verifyAll(registry)).toBe(1);
  expect((await registry.berth(["check", "--digests"])).stdout).toBe("5 blobs, 0 damaged\n");
});
