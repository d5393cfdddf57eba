import { expect, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { mediaTypes } from "../spec/oci/descriptor.ts";
import { collect, failure, testBlob } from "./fixtures/bytes.ts";
import { named, testRegistries } from "./fixtures/registry-settings.ts";
import { refuse, type ScriptedServer, scriptedServer } from "./fixtures/scripted-server.ts";
import { digestOf } from "./transfer/digest.ts";

const { bytes, descriptor } = testBlob(500_000);
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { ...descriptor, mediaType: mediaTypes.ociConfig },
    layers: [descriptor],
  }),
);

/** A registry that has one manifest and one blob under every name; `over` may answer first. */
const registry = (over: (request: IncomingMessage, response: ServerResponse) => boolean = () => false) =>
  scriptedServer((request, response) => {
    if (over(request, response)) return;
    const { url = "" } = request;
    if (url === "/v2/") response.end();
    else if (url.includes("/manifests/")) {
      response.writeHead(200, {
        "Content-Type": mediaTypes.ociManifest,
        "Docker-Content-Digest": digestOf(manifest),
        "Content-Length": manifest.length,
      });
      response.end(request.method === "HEAD" ? undefined : manifest);
    } else {
      const offset = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(offset > 0 ? 206 : 200, {
        "Content-Length": bytes.length - offset,
        ...(offset > 0 && { "Content-Range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.end(bytes.subarray(offset));
    }
  });
const paths = ({ seen }: ScriptedServer): string[] => seen.map(({ url }) => url).filter((url) => url !== "/v2/");
const blobUrl = (path: string): string => `/v2/${path}/blobs/${descriptor.digest}`;
const credentials = { username: "joe", password: "secret" };

test("mirrors are found by the longest prefix, whose part is replaced by the address", async () => {
  await using upstream = await registry();
  await using mirror = await registry();
  const get = async (mirrors: Record<string, string[]>, path = "acme/web/app"): Promise<void> => {
    await testRegistries({ mirrors }).repository(named(upstream.host, path)).manifest("v1");
  };
  await get({ [`${upstream.host}/acme`]: [`${mirror.origin}/cache/acme`], "*": ["http://127.0.0.1:1"] });
  await get({ [upstream.host]: [mirror.origin] });
  await get({ "*": [`${mirror.origin}/all`] });
  await get({ [`${upstream.host}/acme/web/app`]: [`${mirror.origin}/one`] });
  expect(paths(mirror)).toEqual([
    "/v2/cache/acme/web/app/manifests/v1",
    "/v2/acme/web/app/manifests/v1",
    "/v2/all/acme/web/app/manifests/v1",
    "/v2/one/manifests/v1",
  ]);
  expect(paths(upstream)).toEqual([]);
  await get({ [`${upstream.host}/acme`]: [mirror.origin], "other.test": [mirror.origin] }, "acmes/app");
  expect(paths(upstream)).toEqual(["/v2/acmes/app/manifests/v1"]);
});

test("registry-mirrors are of Docker Hub alone, with what stands before /v2/", async () => {
  await using mirror = await registry();
  await using other = await registry();
  const registries = testRegistries({ hubMirrors: [`${mirror.origin}/hub/`] });
  await registries.repository({ domain: "docker.io", path: "library/busybox" }).manifest("latest");
  expect(mirror.seen.map(({ url }) => url)).toEqual(["/hub/v2/library/busybox/manifests/latest"]);
  await registries.repository(named(other.host)).manifest("latest");
  expect(mirror.seen.length).toBe(1);
});

test("credentials are for the registry and never shown to a mirror, even one that asks", async () => {
  await using upstream = await registry();
  await using mirror = await registry((_request, response) => {
    refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="give"' });
    return true;
  });
  const registries = testRegistries({ mirrors: { "*": [mirror.origin] } });
  const repository = registries.repository(named(upstream.host), { credentials });
  await repository.manifest("v1");
  await collect(repository.blob(descriptor));
  expect(mirror.seen.length).toBeGreaterThan(0);
  expect(JSON.stringify(mirror.seen)).not.toContain("uthorization");
});

test("a mirror that is down, has not, or errs is passed over; one that failed is asked last for a while", async () => {
  await using upstream = await registry();
  for (const fault of [404, 403, 500, 429]) {
    await using mirror = await registry((_request, response) => {
      response.writeHead(fault).end();
      return true;
    });
    const registries = testRegistries({ mirrors: { "*": ["http://127.0.0.1:1", mirror.origin] } });
    const repository = registries.repository(named(upstream.host));
    expect((await repository.manifest("v1")).bytes).toEqual(manifest);
    expect(await collect(repository.blob(descriptor))).toEqual(Buffer.from(bytes));
    const asked = mirror.seen.length;
    await repository.manifest("v1");
    expect(mirror.seen.length - asked).toBe(fault < 429 ? 1 : 0);
  }
});

test("a registry that is down is served by its mirror, also by one that failed before", async () => {
  let broken = true;
  await using mirror = await registry((_request, response) => {
    if (broken) response.writeHead(500).end();
    return broken;
  });
  const repository = testRegistries({ mirrors: { "*": [mirror.origin] }, attempts: 1 }).repository(
    named("127.0.0.1:1"),
  );
  expect((await failure(repository.manifest("v1"))).message).toContain("connection refused");
  broken = false;
  expect((await repository.manifest("v1")).bytes).toEqual(manifest);
  expect(await collect(repository.blob(descriptor))).toEqual(Buffer.from(bytes));
});

test("a manifest that a mirror gives under a digest that is not its own is not believed", async () => {
  await using upstream = await registry();
  const forged = Buffer.from(manifest.toString().replace('"schemaVersion":2', '"schemaVersion":3'));
  await using mirror = await registry((request, response) => {
    if (!request.url?.includes("/manifests/")) return false;
    response.writeHead(200, {
      "Content-Type": mediaTypes.ociManifest,
      "Docker-Content-Digest": digestOf(manifest),
      "Content-Length": forged.length,
    });
    response.end(request.method === "HEAD" ? undefined : forged);
    return true;
  });
  const registries = testRegistries({ mirrors: { "*": [mirror.origin] } });
  for (const reference of ["v1", digestOf(manifest)])
    expect((await registries.repository(named(upstream.host)).manifest(reference)).bytes).toEqual(manifest);
  expect(mirror.seen.length).toBeGreaterThan(0);
});

test("a download that a mirror cuts goes on at another and at the registry", async () => {
  const cut = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (!request.url?.includes("/blobs/")) return false;
    const offset = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (offset > 0 && offset !== 100_000) return false;
    response.writeHead(offset > 0 ? 206 : 200, {
      "Content-Length": bytes.length - offset,
      ...(offset > 0 && { "Content-Range": `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }),
    });
    // cut when the client has it: what a cut overtakes is lost with it
    response.write(bytes.subarray(offset, offset + 100_000), () => setTimeout(() => response.socket?.destroy(), 30));
    return true;
  };
  await using upstream = await registry();
  await using first = await registry((request, response) => {
    if (cut(request, response)) return true;
    response.writeHead(404).end();
    return true;
  });
  const registries = testRegistries({ mirrors: { "*": [first.origin] } });
  expect(await collect(registries.repository(named(upstream.host)).blob(descriptor))).toEqual(Buffer.from(bytes));
  expect(upstream.seen.find(({ url }) => url === blobUrl("team/app"))?.headers.range).toBe("bytes=200000-");
});

test("a download that the registry cuts for good goes on at a mirror that had failed before", async () => {
  let [mirrorBroken, upstreamBroken] = [true, false];
  await using mirror = await registry((_request, response) => {
    if (mirrorBroken) response.writeHead(500).end();
    return mirrorBroken;
  });
  await using upstream = await registry((request, response) => {
    if (upstreamBroken) response.socket?.destroy();
    if (upstreamBroken || !request.url?.includes("/blobs/")) return upstreamBroken;
    upstreamBroken = true;
    mirrorBroken = false;
    response.writeHead(200, { "Content-Length": bytes.length });
    response.write(bytes.subarray(0, 300_000), () => setTimeout(() => response.socket?.destroy(), 30));
    return true;
  });
  const registries = testRegistries({ mirrors: { "*": [mirror.origin] }, attempts: 2 });
  const restarted = (): void => {
    throw new Error("nothing was wrong");
  };
  const repository = registries.repository(named(upstream.host));
  await repository.manifest("v1");
  expect(await collect(repository.blob(descriptor, { restarted }))).toEqual(Buffer.from(bytes));
  expect(mirror.seen.at(-1)?.headers.range).toBe("bytes=300000-");
});

test("digests and tags that are none never become part of an address", async () => {
  await using upstream = await registry();
  const repository = testRegistries().repository(named(upstream.host));
  const digest = "sha256:../../../x";
  for (const work of [
    () => collect(repository.blob({ ...descriptor, digest }, { offsetBytes: 1 })),
    () => repository.has(digest),
    () => repository.manifest("../x"),
    () => repository.resolve("a/b"),
    () => repository.pushManifest("a?b", { mediaType: "x", bytes: manifest }),
  ])
    expect((await failure(work())).kind).toBe("invalid");
  expect(paths(upstream)).toEqual([]);
});

test("a mirror that gives wrong bytes is left out and the download begins again, told to its reader", async () => {
  await using upstream = await registry();
  const wrong = bytes.slice();
  wrong[250_000] = (wrong[250_000] ?? 0) ^ 1;
  await using mirror = await registry((request, response) => {
    if (!request.url?.includes("/blobs/")) return false;
    response.writeHead(200, { "Content-Length": wrong.length }).end(wrong);
    return true;
  });
  const registries = testRegistries({ mirrors: { "*": [mirror.origin] } });
  const repository = registries.repository(named(upstream.host));
  let pieces: Uint8Array[] = [];
  let restarts = 0;
  const restarted = (): void => {
    restarts++;
    pieces = [];
  };
  for await (const piece of repository.blob(descriptor, { restarted })) pieces.push(piece);
  expect(restarts).toBe(1);
  expect(Buffer.concat(pieces)).toEqual(Buffer.from(bytes));
  const asked = mirror.seen.length;
  await collect(repository.blob(descriptor));
  expect(mirror.seen.length).toBe(asked);
  // who cannot begin again gets an error, and the next try leaves the mirror out
  const other = testRegistries({ mirrors: { "*": [mirror.origin] } }).repository(named(upstream.host));
  expect((await failure(collect(other.blob(descriptor)))).message).toContain("the content's digest is");
  expect(await collect(other.blob(descriptor))).toEqual(Buffer.from(bytes));
});

test("writing goes to the registry, whatever mirrors there are", async () => {
  await using upstream = await registry((request, response) => {
    if (request.method === "HEAD") return false;
    if (request.method === "PUT") response.writeHead(201, { "Docker-Content-Digest": digestOf(manifest) }).end();
    return request.method === "PUT";
  });
  await using mirror = await registry();
  const repository = testRegistries({ mirrors: { "*": [mirror.origin] } }).repository(named(upstream.host));
  await repository.pushManifest("v2", { mediaType: mediaTypes.ociManifest, bytes: manifest });
  expect(await repository.has(descriptor.digest)).toBe(true);
  expect(mirror.seen).toEqual([]);
});
