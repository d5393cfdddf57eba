// Real clients of others: skopeo, umoci, podman, the stock docker CLI and dockerd; with users too. And caches of a registry of others.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { program } from "../harness/daemon.ts";
import { describe as descriptor, digestOf, imageOf, startRegistry, type TestRegistry } from "../harness/registry.ts";
import { type Result, run, until } from "../harness/run.ts";

let folder = "";
let registry: TestRegistry;
let robot = "";

async function ok(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const result: Result = await run(command, { env: { XDG_RUNTIME_DIR: folder, ...env } });
  if (result.status !== 0)
    throw new Error(`${command.join(" ")} -> ${result.status}: ${result.stderr}${result.stdout}`);
  return result.stdout.trim();
}

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-peers-");
  await writeFile(join(folder, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  registry = await startRegistry({
    config: "anonymous: [{repositories: 'public/**', actions: [pull, push, delete]}]\n",
  });
  const made = await registry.berth(["robot", "create", "ci", "--grant", "team/**=pull,push,delete"]);
  robot = made.stdout.trim();
  // an image of umoci: two layers, made by another tool than ours
  await ok([
    "sh",
    "-ec",
    `cd ${folder}; umoci init --layout layout; umoci new --image layout:made
    mkdir tree; echo one > tree/one; umoci insert --image layout:made tree /data; echo two > tree/two; umoci insert --image layout:made tree /more
    umoci config --image layout:made --config.cmd /bin/true --config.env A=b`,
  ]);
  // without the images that umoci made on the way
  await skopeo("copy", "-q", `oci:${folder}/layout:made`, `oci:${folder}/wanted:made`);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const skopeo = (...args: string[]): Promise<string> => ok(["skopeo", "--policy", join(folder, "policy.json"), ...args]);

async function digestsOf(layout: string): Promise<string[]> {
  return (await readdir(join(folder, layout, "blobs/sha256"))).sort();
}

describe("skopeo", () => {
  test("copies what umoci made to us and back, with equal digests, as OCI and as Docker's", async () => {
    const there = `docker://${registry.address}/public/made`;
    await skopeo("copy", "-q", "--dest-tls-verify=false", `oci:${folder}/layout:made`, `${there}:oci`);
    await skopeo("copy", "-q", "--src-tls-verify=false", `${there}:oci`, `oci:${folder}/back:made`);
    const sent = JSON.parse(await readFile(join(folder, "back/index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const head = await registry.request("HEAD", "/v2/public/made/manifests/oci");
    expect(sent.manifests[0]?.digest).toBe(head.headers.get("docker-content-digest") ?? "");
    expect(await digestsOf("back")).toEqual(await digestsOf("wanted"));
    await skopeo(
      "copy",
      "-q",
      "--format",
      "v2s2",
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `${there}:oci`,
      `${there}:docker`,
    );
    expect((await registry.request("HEAD", "/v2/public/made/manifests/docker")).headers.get("content-type")).toBe(
      "application/vnd.docker.distribution.manifest.v2+json",
    );
    const listed = JSON.parse(await skopeo("list-tags", "--tls-verify=false", there)) as { Tags: string[] };
    expect(listed.Tags).toEqual(["docker", "oci"]);
    await skopeo(
      "copy",
      "-q",
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `${there}:oci`,
      `docker://${registry.address}/public/second:oci`,
    );
    await skopeo("delete", "--tls-verify=false", `docker://${registry.address}/public/second:oci`);
    expect((await registry.request("GET", "/v2/public/second/manifests/oci")).status).toBe(404);
  });

  test("logs in as a robot, and is refused without or with a wrong secret", async () => {
    const there = `docker://${registry.address}/team/app:one`;
    const copy = (...more: string[]) =>
      run([
        "skopeo",
        "--policy",
        join(folder, "policy.json"),
        "copy",
        "-q",
        "--dest-tls-verify=false",
        ...more,
        `oci:${folder}/layout:made`,
        there,
      ]);
    expect((await copy()).status).not.toBe(0);
    expect((await copy("--dest-creds", "robot+ci:wrong")).stderr).toContain("wrong name or password");
    const copied = await copy("--dest-creds", `robot+ci:${robot}`);
    expect([copied.status, copied.stderr]).toEqual([0, ""]);
    const foreign = there.replace("team/app", "others/app");
    const denied = await run([
      "skopeo",
      "--policy",
      join(folder, "policy.json"),
      "copy",
      "-q",
      "--dest-tls-verify=false",
      "--dest-creds",
      `robot+ci:${robot}`,
      `oci:${folder}/layout:made`,
      foreign,
    ]);
    expect(denied.status).not.toBe(0);
  });
});

test("podman pushes to us and pulls from us, and the image is the same", async () => {
  const podman = (...args: string[]) =>
    ok([
      "podman",
      "--root",
      join(folder, "podman"),
      "--runroot",
      join(folder, "podman-run"),
      "--storage-driver",
      "vfs",
      ...args,
    ]);
  const pulled = await podman(
    "pull",
    "-q",
    "--signature-policy",
    join(folder, "policy.json"),
    "--tls-verify=false",
    `${registry.address}/public/made:oci`,
  );
  await podman(
    "push",
    "-q",
    "--signature-policy",
    join(folder, "policy.json"),
    "--tls-verify=false",
    pulled,
    `${registry.address}/public/podman:one`,
  );
  await podman("rmi", "-f", pulled);
  const again = await podman(
    "pull",
    "-q",
    "--signature-policy",
    join(folder, "policy.json"),
    "--tls-verify=false",
    `${registry.address}/public/podman:one`,
  );
  expect(again).toBe(pulled);
  await podman("rmi", "-f", pulled);
});

// The engine of others that a developer's machine may have; `berth` against our registry is tested with the client.
const peer = "/tmp/peer/docker.sock";
test.skipIf(!existsSync(peer))(
  "dockerd and the stock docker client log in, push, mount, pull by digest and log out",
  async () => {
    const docker = (...args: string[]) =>
      ok(["docker", ...args], { DOCKER_HOST: `unix://${peer}`, DOCKER_CONFIG: join(folder, "docker") });
    const name = `${registry.address}/team/docker`;
    const imported = await run(["docker", "import", "-", `${name}:one`], {
      stdin: await tarOf(folder),
      env: { DOCKER_HOST: `unix://${peer}` },
    });
    expect([imported.status, imported.stderr]).toEqual([0, ""]);
    try {
      const refused = await run(["docker", "push", `${name}:one`], {
        env: { DOCKER_HOST: `unix://${peer}`, DOCKER_CONFIG: join(folder, "docker") },
      });
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/unauthorized|denied/)]);
      const login = await run(["docker", "login", "-u", "robot+ci", "--password-stdin", registry.address], {
        stdin: robot,
        env: { DOCKER_HOST: `unix://${peer}`, DOCKER_CONFIG: join(folder, "docker") },
      });
      expect(login.stdout).toContain("Login Succeeded");
      const pushed = await docker("push", `${name}:one`);
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? "";
      await docker("tag", `${name}:one`, `${registry.address}/team/mounted:one`);
      expect(await docker("push", `${registry.address}/team/mounted:one`)).toContain("Mounted from team/docker");
      await docker("rmi", `${name}:one`, `${registry.address}/team/mounted:one`);
      expect(await docker("pull", `${name}@${digest}`)).toContain(`Digest: ${digest}`);
      await docker("logout", registry.address);
      expect(
        (
          await run(["docker", "pull", `${name}:one`], {
            env: { DOCKER_HOST: `unix://${peer}`, DOCKER_CONFIG: join(folder, "docker") },
          })
        ).status,
      ).toBe(1);
    } finally {
      const ids = await run(["docker", "images", "-q", "--filter", `reference=${registry.address}/*/*`], {
        env: { DOCKER_HOST: `unix://${peer}` },
      });
      for (const id of new Set(ids.stdout.split("\n").filter(Boolean)))
        await run(["docker", "rmi", "-f", id], { env: { DOCKER_HOST: `unix://${peer}` } });
    }
  },
);

async function tarOf(place: string): Promise<Uint8Array> {
  await ok(["tar", "-C", place, "-cf", join(place, "image.tar"), "tree"]);
  return Bun.file(join(place, "image.tar")).bytes();
}

describe("a cache of another registry", () => {
  interface Upstream extends AsyncDisposable {
    readonly address: string;
    stop(): Promise<void>;
  }

  async function startDockerRegistry(): Promise<Upstream> {
    const place = await mkdtemp("/tmp/berth-up-");
    const log = join(place, "log");
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    await writeFile(
      join(place, "config.yml"),
      `version: 0.1\nstorage: {filesystem: {rootdirectory: ${place}/data}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
    );
    const child = Bun.spawn(["docker-registry", "serve", join(place, "config.yml")], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(log),
    });
    await until("docker-registry answers", () =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        ({ ok: good }) => good,
        () => false,
      ),
    );
    const stop = async (): Promise<void> => {
      child.kill("SIGKILL");
      await child.exited;
    };
    return {
      address: `127.0.0.1:${port}`,
      stop,
      async [Symbol.asyncDispose]() {
        await stop();
        await rm(place, { recursive: true, force: true });
      },
    };
  }

  const settings = (upstream: string): string => `
anonymous: [{actions: [pull, push, delete]}]
remotes: [{prefix: "up/", upstream: "${upstream}", fresh: 0}]
`;

  test("gives what docker-registry has with the same digests, and serves on when that is down", async () => {
    await using upstream = await startDockerRegistry();
    await using cache = await startRegistry({ config: settings(upstream.address) });
    await skopeo(
      "copy",
      "-q",
      "--dest-tls-verify=false",
      `oci:${folder}/layout:made`,
      `docker://${upstream.address}/some/image:one`,
    );
    await skopeo(
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${cache.address}/up/some/image:one`,
      `oci:${folder}/cached:made`,
    );
    expect(await digestsOf("cached")).toEqual(await digestsOf("wanted"));
    expect((await cache.request("GET", "/v2/up/some/image/manifests/nothing")).status).toBe(404);
    await skopeo(
      "copy",
      "-q",
      "--dest-tls-verify=false",
      `oci:${folder}/layout:made`,
      `docker://${upstream.address}/some/image:late`,
    );
    expect((await cache.request("POST", "/v2/up/some/image/blobs/uploads/")).status).toBe(405);
    await cache.pushImage("own/app", "one", "not a cache");
    const listTags = async () =>
      ((await (await cache.request("GET", "/v2/up/some/image/tags/list")).json()) as { tags: string[] }).tags;
    expect(await listTags()).toEqual(["late", "one"]);
    await upstream.stop();
    expect(await listTags()).toEqual(["one"]);
    await skopeo(
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${cache.address}/up/some/image:one`,
      `oci:${folder}/stale:made`,
    );
    expect(await digestsOf("stale")).toEqual(await digestsOf("wanted"));
    const unknown = await cache.request("GET", "/v2/up/some/image/manifests/late");
    expect(unknown.status).toBe(503);
    await cache.stop();
    await cache.start();
    expect((await cache.request("GET", "/v2/up/some/image/manifests/one")).status).toBe(200);
  });

  test("follows a tag that moves; many clients at once cost the upstream one request", async () => {
    await using upstream = await startRegistry();
    await using cache = await startRegistry({ config: settings(upstream.address) });
    const layer = "a".repeat(3_000_000);
    await upstream.pushImage("app", "one", layer);
    await upstream.pushImage("app", "empty", "");
    await cache.request("GET", "/v2/up/app/manifests/empty");
    expect((await (await cache.request("GET", `/v2/up/app/blobs/${digestOf("")}`)).bytes()).length).toBe(0);
    const path = `/v2/up/app/blobs/${digestOf(layer)}`;
    expect((await cache.request("GET", path)).status).toBe(404); // no manifest here names it yet
    const first = await cache.request("GET", "/v2/up/app/manifests/one");
    const got = await Promise.all(
      Array.from({ length: 10 }, async () => digestOf(await (await cache.request("GET", path)).bytes())),
    );
    expect(new Set(got)).toEqual(new Set([digestOf(layer)]));
    const metrics = await (await upstream.request("GET", "/metrics")).text();
    expect(metrics).toContain('berth_registry_requests_total{target="blob",method="GET",status="200"} 1\n');
    const moved = await upstream.pushImage("app", "one", "another layer");
    const second = await cache.request("GET", "/v2/up/app/manifests/one");
    expect([second.headers.get("docker-content-digest"), first.status]).toEqual([moved, 200]);
    expect(await (await cache.request("GET", `/v2/up/app/blobs/${digestOf("another layer")}`)).text()).toBe(
      "another layer",
    );
    expect((await cache.request("GET", path, { headers: { Range: "bytes=5-9" } })).status).toBe(206);
  });

  test("an upstream that names a private blob of ours does not give it to who may not pull it", async () => {
    await using upstream = await startRegistry({
      config: "anonymous: [{actions: [pull, push]}]\nmissing-children: accept\n",
    });
    await using cache = await startRegistry({
      config: `anonymous: [{repositories: 'up/**', actions: [pull]}]\nremotes: [{prefix: up/, upstream: "${upstream.address}"}]\n`,
    });
    const made = await cache.berth(["robot", "create", "own", "--grant", "private/**=push"]);
    const secret = "known by its digest alone";
    const pushed = await cache.request("POST", `/v2/private/app/blobs/uploads/?digest=${digestOf(secret)}`, {
      body: secret,
      headers: { Authorization: `Basic ${btoa(`robot+own:${made.stdout.trim()}`)}` },
    });
    expect(pushed.status).toBe(201);
    const named = descriptor(secret, "application/octet-stream");
    await upstream.pushManifest("evil", "one", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [named],
    });
    expect((await cache.request("GET", "/v2/up/evil/manifests/one")).status).toBe(200);
    const got = await cache.request("GET", `/v2/up/evil/blobs/${digestOf(secret)}`).then(
      (answer) => answer.text(),
      () => "", // cut
    );
    expect(got).not.toContain("known");
  });

  test("a lying upstream: a wrong manifest, a wrong blob, a redirect. Nothing of it is kept, and no password goes to another host", async () => {
    const layer = "b".repeat(400_000);
    const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
    const manifest = JSON.stringify(imageOf(config, [layer]));
    const seen: { host: string; authorization: string | null }[] = [];
    let blob: () => Response = () => new Response("c".repeat(400_000));
    const elsewhere = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        seen.push({ host: "elsewhere", authorization: request.headers.get("authorization") });
        return new Response(layer);
      },
    });
    const liar = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const authorization = request.headers.get("authorization");
        seen.push({ host: "upstream", authorization });
        if (authorization === null)
          return new Response("", { status: 401, headers: { "Www-Authenticate": 'Basic realm="x"' } });
        const { pathname } = new URL(request.url);
        if (pathname.includes("/manifests/")) {
          const wrong = pathname.includes(`sha256:${"0".repeat(64)}`);
          return new Response(manifest, {
            headers: {
              "Content-Type": "application/vnd.oci.image.manifest.v1+json",
              "Docker-Content-Digest": wrong ? `sha256:${"0".repeat(64)}` : digestOf(manifest),
            },
          });
        }
        return pathname.includes("/blobs/") ? blob() : new Response("{}");
      },
    });
    try {
      await using cache = await startRegistry({
        config: `
anonymous: [{actions: [pull]}]
remotes: [{prefix: "", upstream: "127.0.0.1:${liar.port}", username: me, password: $UPSTREAM_PASSWORD, insecure: true}]
`,
        env: { UPSTREAM_PASSWORD: "hidden" },
      });
      expect((await cache.request("GET", "/v2/app/manifests/one")).status).toBe(200);
      expect((await cache.request("HEAD", "/v2/app/manifests/one")).status).toBe(200);
      expect((await cache.request("GET", `/v2/app/manifests/sha256:${"0".repeat(64)}`)).status).not.toBe(200);
      const path = `/v2/app/blobs/${digestOf(layer)}`;
      const whole = async (): Promise<string> => {
        try {
          const answer = await cache.request("GET", path);
          return answer.status === 200 ? await answer.text() : "";
        } catch {
          return ""; // the connection was cut before the end
        }
      };
      expect((await whole()).length).toBeLessThan(layer.length);
      expect(await cache.log()).toContain("an upstream did not give a blob");
      blob = () => new Response("", { status: 307, headers: { Location: `http://127.0.0.1:${elsewhere.port}/blob` } });
      expect(digestOf(await whole())).toBe(digestOf(layer));
      expect(
        seen.some(({ host, authorization }) => host === "upstream" && authorization === `Basic ${btoa("me:hidden")}`),
      ).toBe(true);
      expect(seen.filter(({ host }) => host === "elsewhere").map(({ authorization }) => authorization)).toEqual([null]);
      expect(await cache.log()).not.toContain("hidden");
    } finally {
      await liar.stop(true);
      await elsewhere.stop(true);
    }
  });
});

test("what S3 holds is pulled back by others, and a restart finds it", async () => {
  const root = new URL("../..", import.meta.url).pathname;
  const said = join(folder, "s3.log");
  const server = Bun.spawn(
    [
      "node",
      "--openssl-legacy-provider",
      "node_modules/.bin/s3rver",
      "-d",
      join(folder, "s3"),
      "-a",
      "127.0.0.1",
      "-p",
      "0",
      "--configure-bucket",
      "images",
    ],
    { cwd: root, stdin: "ignore", stdout: Bun.file(said), stderr: "inherit" },
  );
  try {
    const port = await until(
      "the S3 server listens",
      async () => /listening on [^\s]*?:(\d+)/.exec(await readFile(said, "utf8").catch(() => ""))?.[1],
    );
    await using own = await startRegistry({
      config: `
anonymous: [{actions: [pull, push, delete]}]
gc: {grace: 0, every: 0}
storage: {driver: s3, bucket: images, endpoint: "http://127.0.0.1:${port}", access-key: S3RVER, secret-key: $S3_SECRET}
`,
      env: { S3_SECRET: "S3RVER" },
    });
    await skopeo(
      "copy",
      "-q",
      "--dest-tls-verify=false",
      `oci:${folder}/layout:made`,
      `docker://${own.address}/in/s3:one`,
    );
    const lost = await own.pushBlob("in/s3", "no manifest names it");
    await own.kill();
    await own.start();
    await skopeo(
      "copy",
      "-q",
      "--src-tls-verify=false",
      `docker://${own.address}/in/s3:one`,
      `oci:${folder}/from-s3:made`,
    );
    expect(await digestsOf("from-s3")).toEqual(await digestsOf("wanted"));
    const part = await own.request("GET", `/v2/in/s3/blobs/${lost}`, { headers: { Range: "bytes=3-10" } });
    expect([part.status, await part.text()]).toEqual([206, "no manifest names it".slice(3, 11)]);
    expect((await own.berth(["gc"])).stdout).toContain("Removed 1 blobs");
    expect((await own.request("GET", `/v2/in/s3/blobs/${lost}`)).status).toBe(404);
  } finally {
    server.kill("SIGKILL");
    await server.exited;
  }
});

test("registry serve says what is wrong with its flags and settings", async () => {
  const serve = (...args: string[]) =>
    run([...program, "registry", "serve", "--root", join(folder, "never"), ...args], { timeoutMs: 20_000 });
  await writeFile(join(folder, "bad.yaml"), "gc: {grace: soon}\n");
  await writeFile(join(folder, "unknown.yaml"), "no-such: 1\n");
  for (const [args, message] of [
    [["--listen", "nonsense"], "want HOST:PORT"],
    [["--anonymous", "fly"], "pull, push and delete"],
    [["--config", join(folder, "bad.yaml")], "gc: grace: a time as 90s, 12h or 30d is wanted"],
    [["--config", join(folder, "unknown.yaml")], "no-such: there is no such setting"],
    [["--config", join(folder, "missing.yaml")], "cannot be read"],
    [["--listen", registry.address], "cannot listen on"],
    [["--wrong"], "--wrong"],
  ] as const) {
    const result = await serve(...args);
    expect([args, result.status, result.stderr]).toEqual([args, 1, expect.stringContaining(message)]);
  }
  const help = await run([...program, "registry", "serve", "--help"]);
  const flags = [...help.stdout.matchAll(/^ +--([a-z]+)/gm)].map(([, name]) => name);
  const { serveFlags } = await import("../../src/registry/config.ts");
  expect(flags.sort()).toEqual(Object.keys(serveFlags).sort());
});
