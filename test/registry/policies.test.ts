// Quotas, tags that may not change, retention, webhooks; names and documents that are hostile; TLS.
import { afterAll, beforeAll, describe as group, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, digestOf, imageOf, startRegistry, type TestRegistry } from "../harness/registry.ts";
import { run, until } from "../harness/run.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

async function berth(...args: string[]): Promise<string> {
  const result = await registry.berth(args);
  if (result.status !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

const codeOf = async (answer: Response): Promise<string | undefined> =>
  ((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code;

const put = (name: string, reference: string, body: string | Uint8Array, type = manifestType): Promise<Response> =>
  registry.request("PUT", `/v2/${name}/manifests/${reference}`, {
    body: body as BodyInit,
    headers: { "Content-Type": type },
  });

test("a quota stops uploads, while they come and at their end, mounts and manifests; what is there already is free", async () => {
  await registry.pushBlob("elsewhere", "x".repeat(200_000));
  await berth("quota", "set", "limited", "100k");
  await registry.pushImage("limited/app", "one", "a small layer");
  const tooMuch = await registry.request(
    "POST",
    `/v2/limited/app/blobs/uploads/?digest=${digestOf("y".repeat(110_000))}`,
    { body: "y".repeat(110_000) },
  );
  expect([tooMuch.status, await codeOf(tooMuch)]).toEqual([403, "DENIED"]);
  const mount = await registry.request(
    "POST",
    `/v2/limited/app/blobs/uploads/?mount=${digestOf("x".repeat(200_000))}&from=elsewhere`,
  );
  expect(mount.status).toBe(403);
  const streamed = await registry.request("POST", "/v2/limited/app/blobs/uploads/");
  const patch = await registry.request("PATCH", streamed.headers.get("location") ?? "", {
    body: new Uint8Array(9_000_000),
  });
  expect(patch.status).toBe(403);
  await registry.pushBlob("limited/other", "a small layer");
  await registry.pushBlob("limitedness", "y".repeat(110_000));
  expect(await berth("quota", "ls")).toMatch(/^limited +\d+B +100KiB$/m);
  await berth("quota", "rm", "limited");
  expect(
    (
      await registry.request(
        "POST",
        `/v2/limited/app/blobs/uploads/?mount=${digestOf("x".repeat(200_000))}&from=elsewhere`,
      )
    ).status,
  ).toBe(201);
});

test("an immutable tag is pushed again as it is, and neither moved nor removed nor retired", async () => {
  await registry.pushImage("frozen/app", "v1.0", "the release");
  await berth("immutable", "add", "frozen/**", "v*");
  await registry.pushImage("frozen/app", "v1.0", "the release");
  await registry.pushImage("frozen/app", "latest", "one");
  await registry.pushImage("frozen/app", "latest", "two");
  const moved = await put("frozen/app", "v1.0", JSON.stringify(imageOf(config, ["two"])));
  expect([moved.status, await codeOf(moved)]).toEqual([403, "DENIED"]);
  const digest = digestOf(JSON.stringify(imageOf(config, ["the release"])));
  for (const reference of ["v1.0", digest])
    expect((await registry.request("DELETE", `/v2/frozen/app/manifests/${reference}`)).status).toBe(403);
  await berth("retention", "add", "frozen/app", "--last", "0");
  expect(await berth("retention", "run")).toMatch(/^frozen\/app:latest\t.*\nRemoved 1 tags\n$/);
  expect((await registry.request("GET", "/v2/frozen/app/manifests/v1.0")).status).toBe(200);
  const rule = /^(\d+)/m.exec((await berth("immutable", "ls")).split("\n")[1] ?? "")?.[1] ?? "";
  await berth("immutable", "rm", rule);
  expect((await registry.request("DELETE", "/v2/frozen/app/manifests/v1.0")).status).toBe(202);
});

test("retention keeps the last ones, those of a pattern that no rule speaks of, and those just pushed; a dry run only tells", async () => {
  for (const tag of ["b1", "b2", "b3", "b4", "release"]) {
    await registry.pushImage("retired/app", tag, `layer of ${tag}`);
    await Bun.sleep(2); // tags are ordered by milliseconds
  }
  await berth("retention", "add", "retired/**", "--tags", "b*", "--last", "2");
  const dry = await berth("retention", "run", "--dry-run");
  expect(dry).toMatch(/retired\/app:b2\t.*\nretired\/app:b1\t/);
  expect(dry).toContain("Would remove 2 tags");
  expect(await berth("retention", "run")).toContain("Removed 2 tags");
  const tags = async () =>
    ((await (await registry.request("GET", "/v2/retired/app/tags/list")).json()) as { tags: string[] }).tags;
  expect(await tags()).toEqual(["b3", "b4", "release"]);
  await berth("retention", "add", "retired/**", "--tags", "b*", "--pushed", "1h");
  await registry.pushImage("retired/app", "b5", "layer of b5");
  expect(await berth("retention", "run")).toContain("Removed 0 tags");
  expect(await berth("retention", "ls")).toMatch(/retired\/\*\* +b\* +pushed within 1h/);
  expect((await registry.berth(["retention", "add", "a/**"])).stderr).toContain("a rule says what to keep");
});

test("webhooks tell pushes, mounts and deletions in Docker's format, in order, again after failures and a restart", async () => {
  const bodies: {
    events: {
      action: string;
      target: { repository: string; tag?: string; digest: string; mediaType?: string };
      actor: object;
      request: { method: string; addr: string };
    }[];
  }[] = [];
  const headers: (string | null)[] = [];
  let answers: number[] = [500, 500];
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const status = answers.shift() ?? 200;
      headers.push(request.headers.get("authorization"));
      if (status === 200) bodies.push((await request.json()) as (typeof bodies)[0]);
      return new Response("", { status });
    },
  });
  try {
    await using own = await startRegistry({
      config: `
anonymous: [{actions: [pull, push, delete]}]
webhooks:
  - {name: test, url: "http://127.0.0.1:${receiver.port}/hook", headers: {Authorization: Bearer secret}, actions: [push, delete, mount], repositories: "hooked/**"}
`,
    });
    const digest = await own.pushImage("hooked/app", "one", "layer");
    await own.pushImage("other", "one", "layer");
    await own.request("POST", `/v2/hooked/b/blobs/uploads/?mount=${digestOf("layer")}&from=hooked/app`);
    await own.request("DELETE", `/v2/hooked/app/manifests/${digest}`);
    await until("all is told", () => bodies.flatMap(({ events }) => events).length === 5);
    const events = bodies.flatMap(({ events: some }) => some);
    expect(events.map(({ action }) => action)).toEqual(["push", "push", "push", "mount", "delete"]);
    expect(events[2]).toMatchObject({
      target: { repository: "hooked/app", tag: "one", digest, mediaType: manifestType },
      request: { method: "PUT", addr: "127.0.0.1" },
    });
    expect(headers[0]).toBe("Bearer secret");
    expect(await own.log()).toContain("a webhook failed");
    answers = Array.from({ length: 100 }, () => 503);
    await own.pushImage("hooked/app", "late", "layer");
    await until("it was tried", () => answers.length < 100);
    await own.kill();
    answers = [];
    await own.start();
    await until("what waited is told after the restart", () =>
      bodies.flatMap(({ events: some }) => some).some(({ target }) => target.tag === "late"),
    );
  } finally {
    await receiver.stop(true);
  }
});

group("hostile", () => {
  test("names and tags that try to leave, or are too long", async () => {
    const before = (await readdir(registry.root)).sort();
    for (const name of ["..", "%2e%2e/%2e%2e/etc", "a%2fb", "A", "a//b", "-a", "a/", "a".repeat(256), "a%00b", "%ff"])
      for (const path of [`/v2/${name}/blobs/uploads/`, `/v2/${name}/manifests/x`]) {
        const answer = await registry.request(path.endsWith("x") ? "PUT" : "POST", path, { body: "{}" });
        expect([path.slice(0, 60), [400, 404, 405].includes(answer.status)]).toEqual([path.slice(0, 60), true]);
        expect((await answer.text()).length).toBeLessThan(1000);
      }
    const asIs = await run(["curl", "-s", "--path-as-is", `${registry.url}/v2/../../../../etc/passwd`]);
    expect(asIs.stdout).toContain('"code":"UNSUPPORTED"');
    for (const tag of ["a".repeat(129), ".x", "-x", "a%2fb", "..", "a:b", "a b", "%00"]) {
      const answer = await put("hostile/app", tag, JSON.stringify(imageOf(config, [])));
      expect([tag, [400, 404].includes(answer.status)]).toEqual([tag, true]);
    }
    expect((await readdir(registry.root)).sort()).toEqual(before);
  });

  test("documents that are no manifests, or lie", async () => {
    await registry.pushBlob("hostile/app", config);
    await registry.pushBlob("hostile/app", "layer");
    const good = imageOf(config, ["layer"]);
    const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] };
    for (const [what, body, type] of [
      ["empty", "", manifestType],
      ["no JSON", "not json", manifestType],
      ["a list", "[]", manifestType],
      ["null", "null", manifestType],
      ["bad UTF-8", new Uint8Array([0xff, 0xfe, 0x7b]), manifestType],
      [
        "schema 1",
        '{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}',
        "application/vnd.docker.distribution.manifest.v1+json",
      ],
      ["both kinds", JSON.stringify({ ...good, manifests: [] }), manifestType],
      ["another type than said", JSON.stringify(index), manifestType],
      ["a type that nobody knows", JSON.stringify({ ...good, mediaType: "text/html" }), "text/html"],
      ["layers that are no list", JSON.stringify({ ...good, layers: {} }), manifestType],
      ["a layer without a digest", JSON.stringify({ ...good, layers: [{ mediaType: "x", size: 1 }] }), manifestType],
      [
        "a digest that leaves",
        JSON.stringify({ ...good, layers: [{ mediaType: "x", size: 1, digest: "sha256:../../../etc/passwd" }] }),
        manifestType,
      ],
      [
        "a size that is a lie",
        JSON.stringify({ ...good, layers: [{ ...describe("layer", "x"), size: 99 }] }),
        manifestType,
      ],
      [
        "a size below zero",
        JSON.stringify({ ...good, layers: [{ ...describe("layer", "x"), size: -5 }] }),
        manifestType,
      ],
      ["a subject that is none", JSON.stringify({ ...good, subject: "x" }), manifestType],
      [
        "an index of what is missing",
        JSON.stringify({ ...index, manifests: [describe("nothing", manifestType)] }),
        index.mediaType,
      ],
    ] as const) {
      const answer = await put("hostile/app", "bad", body, type);
      expect([what, answer.status, await codeOf(answer)]).toEqual([
        what,
        400,
        expect.stringMatching(/^MANIFEST_(BLOB_UNKNOWN|INVALID)$/),
      ]);
    }
    expect((await registry.request("GET", "/v2/hostile/app/manifests/bad")).status).toBe(404);
    const odd = { ...good, artifactType: 5, annotations: [1, 2] };
    expect((await put("hostile/app", "odd", JSON.stringify(odd))).status).toBe(201);
  });

  test("a manifest of more than 4 MiB is 413, one of 4 MiB is taken", async () => {
    const padded = (bytes: number): string => {
      const text = JSON.stringify(imageOf(config, [], { annotations: { pad: "" } }));
      return text.replace('"pad":""', `"pad":"${"x".repeat(bytes - text.length)}"`);
    };
    const limit = 4 * 1024 * 1024;
    expect((await put("hostile/app", "large", padded(limit))).status).toBe(201);
    const over = await put("hostile/app", "larger", padded(limit + 1));
    expect([over.status, await codeOf(over)]).toEqual([413, "MANIFEST_INVALID"]);
  });

  test("ranges of blobs: one part, the end, none, behind the end, several, and conditions", async () => {
    const digest = await registry.pushBlob("hostile/ranges", "0123456789");
    const get = (headers: Record<string, string>) =>
      registry.request("GET", `/v2/hostile/ranges/blobs/${digest}`, { headers });
    for (const [range, status, text, contentRange] of [
      ["bytes=2-4", 206, "234", "bytes 2-4/10"],
      ["bytes=7-", 206, "789", "bytes 7-9/10"],
      ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=5-99999", 206, "56789", "bytes 5-9/10"],
      ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
      ["bytes=0-0", 206, "0", "bytes 0-0/10"],
      ["bytes=4-2", 200, "0123456789", null],
      ["bytes=0-1,3-4", 200, "0123456789", null],
      ["lines=0-1", 200, "0123456789", null],
      ["bytes=99999999999999999999-", 200, "0123456789", null],
    ] as const) {
      const answer = await get({ Range: range });
      expect([range, answer.status, await answer.text(), answer.headers.get("content-range")]).toEqual([
        range,
        status,
        text,
        contentRange,
      ]);
    }
    const behind = await get({ Range: "bytes=10-" });
    expect([behind.status, behind.headers.get("content-range"), await codeOf(behind)]).toEqual([
      416,
      "bytes */10",
      "RANGE_INVALID",
    ]);
    const etag = (await get({})).headers.get("etag") ?? "";
    for (const match of [etag, `"x", ${etag}`, `W/${etag}`, "*", digest]) {
      const answer = await get({ "If-None-Match": match });
      expect([match, answer.status, await answer.text()]).toEqual([match, 304, ""]);
    }
    expect((await get({ "If-None-Match": '"other"' })).status).toBe(200);
    expect((await get({ Range: "bytes=0-1", "If-Range": '"other"' })).status).toBe(200);
    expect((await get({ Range: "bytes=0-1", "If-Range": etag })).status).toBe(206);
    const manifest = await registry.pushImage("hostile/ranges", "x", "layer");
    expect(
      (
        await registry.request("GET", "/v2/hostile/ranges/manifests/x", {
          headers: { "If-None-Match": `"${manifest}"` },
        })
      ).status,
    ).toBe(304);
  });

  test("the media types that a client takes decide what a tag gives", async () => {
    const child = await registry.pushImage("types", "child", "layer");
    const index = "application/vnd.oci.image.index.v1+json";
    await registry.pushManifest("types", "many", {
      schemaVersion: 2,
      mediaType: index,
      manifests: [
        {
          ...describe(JSON.stringify(imageOf(config, ["layer"])), manifestType),
          platform: { os: "linux", architecture: "amd64" },
        },
      ],
    });
    const get = (accept: string, reference = "many") =>
      registry.request("GET", `/v2/types/manifests/${reference}`, { headers: { Accept: accept } });
    expect((await get(`${manifestType}, ${index}`)).headers.get("content-type")).toBe(index);
    expect((await get("*/*")).headers.get("content-type")).toBe(index);
    const one = await get(manifestType);
    expect([one.headers.get("content-type"), one.headers.get("docker-content-digest")]).toEqual([manifestType, child]);
    const none = await get("application/vnd.docker.distribution.manifest.v2+json", "child");
    expect([none.status, await codeOf(none)]).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("three thousand tags come in pages, each once", async () => {
    await registry.pushImage("paged", "t", "layer");
    const text = JSON.stringify(imageOf(config, ["layer"]));
    const expected: string[] = ["t"];
    const digest = digestOf(text);
    for (let from = 0; from < 3000; from += 100) {
      const some = Array.from({ length: 100 }, (_, n) => `t${String(from + n).padStart(5, "0")}`);
      expected.push(...some);
      const answer = await put("paged", `${digest}?${some.map((tag) => `tag=${tag}`).join("&")}`, text);
      expect(answer.status).toBe(201);
    }
    const found: string[] = [];
    for (let path: string | undefined = "/v2/paged/tags/list?n=271"; path !== undefined;) {
      const answer: Response = await registry.request("GET", path);
      found.push(...((await answer.json()) as { tags: string[] }).tags);
      path = /^<(.+)>/.exec(answer.headers.get("link") ?? "")?.[1];
    }
    expect(found).toEqual(expected.sort());
  });

  test("methods and addresses that mean nothing are refused in JSON", async () => {
    for (const [method, path, status] of [
      ["POST", "/v2/", 405],
      ["GET", "/v1/search", 404],
      ["PATCH", "/v2/a/manifests/x", 405],
      ["GET", "/", 404],
      ["DELETE", "/v2/a/tags/list", 405],
      ["GET", "/berth/v1/", 401],
    ] as const) {
      const answer = await registry.request(method, path);
      expect([method, path, answer.status, await codeOf(answer)]).toEqual([method, path, status, expect.any(String)]);
    }
  });
});

test("TLS with certificates of the settings; with a client CA, who shows none is not served", async () => {
  const make = async (folder: string): Promise<void> => {
    const made = await run([
      "sh",
      "-ec",
      `cd ${folder}
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 3 -subj /CN=ca
      for who in server client; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
        printf 'subjectAltName=IP:127.0.0.1' > ext; openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem -days 3 -extfile ext
      done
      printf 'anonymous: [{actions: [pull, push]}]\\ntls: {cert: %s/server.pem, key: %s/server.key, client-ca: %s/ca.pem}\\n' ${folder} ${folder} ${folder} > settings.yaml`,
    ]);
    expect([made.status, made.status === 0 ? "" : made.stderr]).toEqual([0, ""]);
  };
  let folder = "";
  await using own = await startRegistry({
    scheme: "https",
    config: "",
    prepare: async (place) => {
      folder = place;
      await make(place);
    },
    settingsFile: "settings.yaml",
  });
  const curl = (...args: string[]) =>
    run(["curl", "-sS", "--cacert", join(folder, "ca.pem"), ...args, `${own.url}/v2/`]);
  const served = await curl("--cert", join(folder, "client.pem"), "--key", join(folder, "client.key"));
  expect([served.status, served.stdout]).toEqual([0, "{}"]);
  expect((await curl()).status).not.toBe(0);
});
