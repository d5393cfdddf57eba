import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { opener, testBlob } from "../../src/distribution/fixtures/bytes.ts";
import { named, testRegistries } from "../../src/distribution/fixtures/registry-settings.ts";
import { json, type ScriptedServer, scriptedServer } from "../../src/distribution/fixtures/scripted-server.ts";
import { digestOf } from "../../src/distribution/transfer/digest.ts";
import { mediaTypes } from "../../src/spec/oci/descriptor.ts";
import { importBusybox, program, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { startDockerRegistry, type TestRegistry } from "../harness/docker-registry.ts";
import { run, until } from "../harness/run.ts";

const user = { name: "joe", password: "secret" };
const auth = Buffer.from(JSON.stringify({ username: user.name, password: user.password })).toString("base64url");
const ociConfig = Buffer.from(
  JSON.stringify({ architecture: "arm64", os: "linux", variant: "v8", rootfs: { type: "layers", diff_ids: [] } }),
);
const layer = testBlob(300_000, 40);
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: digestOf(ociConfig), size: ociConfig.length },
    layers: [layer.descriptor],
  }),
);
const index = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      {
        mediaType: mediaTypes.ociManifest,
        digest: digestOf(manifest),
        size: manifest.length,
        platform: { architecture: "arm64", os: "linux", variant: "v8" },
      },
    ],
  }),
);

let folder: string;
let registry: TestRegistry;
let mirror: ScriptedServer;
let daemon: TestDaemon;
const configFile = (): string => join(folder, "daemon.json");

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-rc-");
  registry = await startDockerRegistry({ user });
  mirror = await scriptedServer((request, response) => {
    if (!request.url?.includes("/manifests/")) return void response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": mediaTypes.ociIndex,
      "Docker-Content-Digest": digestOf(index),
      "Content-Length": index.length,
    });
    response.end(request.method === "HEAD" ? undefined : index);
  });
  const repository = testRegistries().repository(named(registry.host), {
    credentials: { username: user.name, password: user.password },
  });
  await repository.pushBlob({ mediaType: "", digest: digestOf(ociConfig), size: ociConfig.length }, opener(ociConfig));
  await repository.pushBlob(layer.descriptor, opener(layer.bytes));
  await repository.pushManifest("v1", { mediaType: mediaTypes.ociManifest, bytes: manifest });
  await writeFile(
    configFile(),
    JSON.stringify({
      "registry-mirrors": [mirror.origin],
      "insecure-registries": ["10.0.0.0/8", "reg.test:5000"],
      mirrors: { "ghcr.io/acme": [`${mirror.origin}/cache`] },
      proxies: { "http-proxy": "http://user:pw@127.0.0.1:9", "no-proxy": "x.test" },
      "max-concurrent-downloads": 2,
    }),
  );
  daemon = await startDaemon({ args: ["--config-file", configFile()] });
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await mirror[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** One raw request with credentials. */
const ask = (method: string, path: string, options: { auth?: string; body?: Uint8Array; type?: string } = {}) =>
  fetch(`http://d${path}`, {
    method,
    unix: daemon.socket,
    headers: {
      ...(options.auth !== undefined && { "X-Registry-Auth": options.auth }),
      ...(options.type !== undefined && { "Content-Type": options.type }),
    },
    ...(options.body && { body: options.body as BodyInit }),
  });

describe("the stock client", () => {
  test("logs in and out", async () => {
    const home = join(folder, "docker");
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "config.json"), JSON.stringify({ auths: { "other.test": {} } }));
    const docker = (args: string[], stdin?: string) =>
      daemon.docker(args, { env: { DOCKER_CONFIG: home }, ...(stdin !== undefined && { stdin }) });
    const login = ["login", "-u", user.name, "--password-stdin", registry.host];
    const wrong = await docker(login, "bad");
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain(`login attempt to http://${registry.host}/v2/ failed with status: 401 Unauthorized`);
    expect((await docker(login, user.password)).stdout).toContain("Login Succeeded");
    const listed = await docker(["search", `${registry.host}/team`]);
    expect(listed.stdout).toContain("team/app");
    const pulled = await docker(["pull", `${registry.host}/team/none`]);
    expect(pulled.stderr).toContain(`manifest for ${registry.host}/team/none:latest not found: manifest unknown`);
    expect((await docker(["logout", registry.host])).status).toBe(0);
    expect((await docker(["search", `${registry.host}/team`])).stderr).toContain("no basic auth credentials");
    // moby parity: a status of 401 would make the client ask for a user
    expect((await docker(["pull", `${registry.host}/team/app`])).stderr).toContain("no basic auth credentials");
  });

  test("sees the settings of registries in info, without a proxy's password", async () => {
    const info = JSON.parse(await daemon.ok("info", "-f", "{{json .}}")) as Record<string, unknown>;
    expect(info["RegistryConfig"]).toEqual({
      IndexConfigs: {
        "docker.io": { Mirrors: [`${mirror.origin}/`], Name: "docker.io", Official: true, Secure: true },
        "reg.test:5000": { Mirrors: [], Name: "reg.test:5000", Official: false, Secure: false },
      },
      InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8", "10.0.0.0/8"],
      Mirrors: [`${mirror.origin}/`],
    });
    expect([info["HttpProxy"], info["HttpsProxy"], info["NoProxy"]]).toEqual([
      "http://xxxxx:xxxxx@127.0.0.1:9",
      "",
      "x.test",
    ]);
  });
});

describe("/distribution/{name}/json", () => {
  const inspect = async (name: string, credentials?: string) => {
    const response = await ask("GET", `/v1.41/distribution/${name}/json`, credentials ? { auth: credentials } : {});
    return [response.status, await response.json()];
  };

  test("tells descriptor and platforms of an image and of an index", async () => {
    expect(await inspect(`${registry.host}/team/app:v1`, auth)).toEqual([
      200,
      {
        Descriptor: { mediaType: mediaTypes.ociManifest, digest: digestOf(manifest), size: manifest.length },
        Platforms: [{ architecture: "arm64", os: "linux", variant: "v8" }],
      },
    ]);
    for (const mirrored of ["busybox", "ghcr.io/acme/tool:x"])
      expect(await inspect(mirrored)).toEqual([
        200,
        {
          Descriptor: { mediaType: mediaTypes.ociIndex, digest: digestOf(index), size: index.length },
          Platforms: [{ architecture: "arm64", os: "linux", variant: "v8" }],
        },
      ]);
    expect(mirror.seen.map(({ url }) => url)).toContain("/v2/cache/tool/manifests/x");
  });

  test("fails in docker's words and with its status", async () => {
    expect(await inspect(`${registry.host}/team/app:none`, auth)).toEqual([
      404,
      { message: "manifest unknown: manifest unknown" },
    ]);
    expect(await inspect("127.0.0.1:1/x")).toEqual([
      500,
      { message: 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' },
    ]);
    const [status, { message }] = (await inspect(`${registry.host}/team/app:v1`)) as [number, { message: string }];
    expect([status, message.endsWith("no basic auth credentials")]).toEqual([500, true]);
    expect((await inspect(`${registry.host}/team/app:v1`, "not base64 of JSON"))[0]).toBe(500);
    const wrong = Buffer.from(JSON.stringify({ username: "joe", password: "no" })).toString("base64url");
    expect(await inspect(`${registry.host}/team/app:v1`, wrong)).toEqual([
      401,
      { message: "unauthorized: authentication required" },
    ]);
  });
});

describe("manifests by our own operations", () => {
  test("come byte for byte, and go with what they name from another repository", async () => {
    const got = await ask("GET", `/berth/manifests/${registry.host}/team/app:v1`, { auth });
    expect(got.status).toBe(200);
    expect(got.headers.get("content-type")).toBe(mediaTypes.ociManifest);
    expect(got.headers.get("docker-content-digest")).toBe(digestOf(manifest));
    expect(Buffer.from(await got.arrayBuffer())).toEqual(manifest);

    const put = await ask("PUT", `/berth/manifests/${registry.host}/team/list:all?from=${registry.host}/team/app`, {
      auth,
      body: index,
      type: mediaTypes.ociIndex,
    });
    expect([put.status, await put.json()]).toEqual([
      201,
      { mediaType: mediaTypes.ociIndex, digest: digestOf(index), size: index.length },
    ]);
    const member = await ask("GET", `/berth/manifests/${registry.host}/team/list@${digestOf(manifest)}`, { auth });
    expect(Buffer.from(await member.arrayBuffer())).toEqual(manifest);
    const blob = await fetch(`http://${registry.host}/v2/team/list/blobs/${layer.descriptor.digest}`, {
      method: "HEAD",
      headers: { Authorization: `Basic ${btoa("joe:secret")}` },
    });
    expect(blob.status).toBe(200);
  });

  test("that are none, not their digest, or from elsewhere are refused", async () => {
    const put = async (name: string, body: Uint8Array, type: string): Promise<[number, string]> => {
      const response = await ask("PUT", `/berth/manifests/${registry.host}/team/${name}`, { auth, body, type });
      return [response.status, ((await response.json()) as { message: string }).message];
    };
    expect((await put("x:1", Buffer.from("{}"), mediaTypes.ociIndex))[0]).toBe(400);
    expect((await put("x:1", manifest, mediaTypes.ociIndex))[1]).toContain("invalid manifest");
    expect((await put(`x@${digestOf(index)}`, manifest, mediaTypes.ociManifest))[1]).toContain(
      "the manifest's digest is",
    );
    expect((await put("x:1?from=other.test/y", index, mediaTypes.ociIndex))[1]).toContain("same registry");
    expect((await put(`x:1?from=${registry.host}/team/none`, index, mediaTypes.ociIndex))[0]).toBe(404);
    expect((await put("x:1", Buffer.alloc(5_000_000, 0x20), mediaTypes.ociIndex))[0]).toBe(400);
  });
});

test("proxies of the daemon's environment are used for registries and imports, and daemon.json goes before them", async () => {
  await using proxy = await scriptedServer((request, response) => {
    if (request.url?.endsWith("/v2/")) return void response.end();
    response.writeHead(404).end();
  });
  const file = join(folder, "proxied.json");
  await writeFile(
    file,
    JSON.stringify({ "insecure-registries": ["reg.test"], proxies: { "no-proxy": "direct.test" } }),
  );
  await using proxied = await startDaemon({
    args: ["--config-file", file],
    env: { HTTP_PROXY: proxy.origin, NO_PROXY: "*", https_proxy: "http://127.0.0.1:1" },
  });
  await proxied.request("GET", "/v1.41/distribution/reg.test/app/json");
  await (await proxied.request("POST", "/v1.41/images/create?fromSrc=http://files.test/rootfs.tar&repo=x")).text();
  expect(proxy.seen.map(({ url }) => url)).toEqual([
    "http://reg.test/v2/",
    "http://reg.test/v2/app/manifests/latest",
    "http://files.test/rootfs.tar",
  ]);
  const info = (await (await proxied.request("GET", "/v1.41/info")).json()) as Record<string, unknown>;
  expect([info["HttpProxy"], info["HttpsProxy"], info["NoProxy"]]).toEqual([
    proxy.origin,
    "http://127.0.0.1:1",
    "direct.test",
  ]);
}, 30_000);

test("a pull whose mirror breaks in the middle goes on at the next one, while the registry is down", async () => {
  await using store = await startDockerRegistry();
  await writeFile(join(folder, "pull.json"), "{}");
  await using puller = await startDaemon({ args: ["--config-file", join(folder, "pull.json")] });
  await importBusybox(puller);
  await puller.ok("tag", "busybox", `${store.host}/team/bb:v1`);
  await puller.ok("push", "-q", `${store.host}/team/bb:v1`);
  await puller.ok("rmi", `${store.host}/team/bb:v1`, "busybox");

  /** Gives what the store has; the first blobs are cut after `most` bytes, and then there is nothing any more. */
  const forwarder = (most: number) => {
    let broken = false;
    return scriptedServer(async (request, response) => {
      if (broken) return void response.writeHead(503).end();
      const answer = await fetch(`http://${store.host}${request.url}`, {
        method: request.method ?? "GET",
        headers: {
          Accept: request.headers.accept ?? "",
          ...(request.headers.range && { Range: request.headers.range }),
        },
      });
      const bytes = await answer.bytes();
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (bytes.length <= most || !request.url?.includes("/blobs/")) return void response.end(bytes);
      broken = true;
      response.write(bytes.subarray(0, most), () => setTimeout(() => response.socket?.destroy(), 50));
    });
  };
  await using first = await forwarder(200_000);
  await using second = await forwarder(Number.POSITIVE_INFINITY);
  await writeFile(
    join(folder, "pull.json"),
    JSON.stringify({ mirrors: { "127.0.0.1:1/team": [`${first.origin}/team`, `${second.origin}/team`] } }),
  );
  process.kill(puller.pid(), "SIGHUP");
  await until("the mirrors are known", async () => {
    await puller.request("GET", "/v1.41/distribution/127.0.0.1:1/team/bb:v1/json");
    return first.seen.length > 0;
  });
  expect(await puller.ok("pull", "-q", "127.0.0.1:1/team/bb:v1")).toBe("127.0.0.1:1/team/bb:v1");
  expect(second.seen.some(({ headers }) => headers.range === "bytes=200000-")).toBe(true);
  expect(await puller.ok("run", "--rm", "--network", "none", "127.0.0.1:1/team/bb:v1", "echo", "whole")).toBe("whole");
}, 60_000);

test("SIGHUP takes new mirrors, insecure registries and limits", async () => {
  await using second = await scriptedServer((request, response) => {
    if (request.url?.includes("/manifests/"))
      json(response, 404, { errors: [{ code: "MANIFEST_UNKNOWN", message: "m" }] });
    else response.end();
  });
  await writeFile(
    configFile(),
    JSON.stringify({ mirrors: { "*": [second.origin] }, "insecure-registries": ["new.test"] }),
  );
  process.kill(daemon.pid(), "SIGHUP");
  await until("info shows the new settings", async () =>
    (await daemon.ok("info", "-f", "{{json .RegistryConfig}}")).includes("new.test"),
  );
  await ask("GET", `/v1.41/distribution/${registry.host}/team/app:v1/json`, { auth });
  expect(second.seen.map(({ url }) => url)).toContain("/v2/team/app/manifests/v1");
});

test("settings that cannot be are named with their place", async () => {
  const file = join(folder, "bad.json");
  for (const [settings, text] of [
    [{ mirrors: { "ghcr.io": ["ftp://x"] } }, "invalid mirror"],
    [{ mirrors: { "https://ghcr.io": [] } }, "invalid prefix of a registry"],
    [{ mirrors: [] }, "must be an object"],
    [{ proxies: { "http-proxi": "x" } }, "unknown key http-proxi"],
    [{ "max-concurrent-downloads": -1 }, "at least 0"],
    [{ "max-download-attempts": 0 }, "at least 1"],
    [{ "registry-mirrors": ["https://user@x"] }, "may hold neither query, fragment nor user"],
  ] as const) {
    await writeFile(file, JSON.stringify(settings));
    const result = await run([...program, "daemon", "--config-file", file, "--validate"]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(text);
  }
});
