// The cases of the OCI distribution conformance suite (its four workflows), each as a test of our own.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { describe as descriptor, digestOf, imageOf, startRegistry, type TestRegistry } from "../harness/registry.ts";

const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
const layer = "a layer of nothing much";
const index = "application/vnd.oci.image.index.v1+json";
const octets = { "Content-Type": "application/octet-stream" };
const repository = "conformance/main";
const other = "conformance/other";
const missing = digestOf("nobody has this");

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

const call = (method: string, path: string, init?: RequestInit): Promise<Response> =>
  registry.request(method, `/v2/${path}`, init);

async function codeOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  expect(errors[0]?.message).toBeString();
  return errors[0]?.code ?? "";
}

/** Locations may be relative: OCI distribution-spec 1.1. */
const locationOf = (answer: Response): string => new URL(answer.headers.get("location") ?? "", registry.url).pathname;

async function begin(name = repository): Promise<string> {
  const answer = await call("POST", `${name}/blobs/uploads/`);
  expect(answer.status).toBe(202);
  expect(answer.headers.get("location")).not.toBeEmpty();
  return locationOf(answer);
}

describe("pull", () => {
  beforeAll(async () => {
    await registry.pushImage(repository, "pulled", layer);
  });

  test("GET /v2/ says that this is a registry", async () => {
    const answer = await registry.request("GET", "/v2/");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
  });

  test("HEAD and GET of a blob that is not there are 404 BLOB_UNKNOWN", async () => {
    expect((await call("HEAD", `${repository}/blobs/${missing}`)).status).toBe(404);
    const answer = await call("GET", `${repository}/blobs/${missing}`);
    expect(answer.status).toBe(404);
    expect(await codeOf(answer)).toBe("BLOB_UNKNOWN");
  });

  test("HEAD and GET of a blob give its length and its bytes", async () => {
    const head = await call("HEAD", `${repository}/blobs/${digestOf(layer)}`);
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe(String(layer.length));
    expect(head.headers.get("docker-content-digest")).toBe(digestOf(layer));
    const answer = await call("GET", `${repository}/blobs/${digestOf(layer)}`);
    expect([answer.status, await answer.text()]).toEqual([200, layer]);
  });

  test("HEAD and GET of a manifest that is not there, or can never be, are 404", async () => {
    for (const reference of ["nothing", ".INVALID_MANIFEST_NAME", missing]) {
      expect((await call("HEAD", `${repository}/manifests/${reference}`)).status).toBe(404);
      const answer = await call("GET", `${repository}/manifests/${reference}`);
      expect([answer.status, await codeOf(answer)]).toEqual([404, "MANIFEST_UNKNOWN"]);
    }
  });

  test("HEAD and GET of a manifest by tag and by digest give it as it was pushed", async () => {
    const text = JSON.stringify(imageOf(config, [layer]));
    for (const reference of ["pulled", digestOf(text)]) {
      const head = await call("HEAD", `${repository}/manifests/${reference}`);
      expect([head.status, head.headers.get("content-length")]).toEqual([200, String(text.length)]);
      expect(head.headers.get("docker-content-digest")).toBe(digestOf(text));
      expect(head.headers.get("content-type")).toBe("application/vnd.oci.image.manifest.v1+json");
      const answer = await call("GET", `${repository}/manifests/${reference}`);
      expect([answer.status, await answer.text()]).toEqual([200, text]);
    }
  });

  test("errors are in JSON, with a code of the specification", async () => {
    const answer = await call("GET", `${repository}/manifests/nothing`);
    expect(answer.headers.get("content-type")).toStartWith("application/json");
    expect(await codeOf(answer)).toMatch(/^[A-Z_]+$/);
  });
});

describe("push", () => {
  test("POST then PUT of a whole blob", async () => {
    const blob = "whole, in two requests";
    const put = await registry.request("PUT", `${await begin()}?digest=${digestOf(blob)}`, {
      body: blob,
      headers: octets,
    });
    expect(put.status).toBe(201);
    expect(locationOf(put)).toBe(`/v2/${repository}/blobs/${digestOf(blob)}`);
    expect(await (await registry.request("GET", locationOf(put))).text()).toBe(blob);
  });

  test("POST of a whole blob in one request", async () => {
    const blob = "whole, in one request";
    const answer = await call("POST", `${repository}/blobs/uploads/?digest=${digestOf(blob)}`, {
      body: blob,
      headers: octets,
    });
    expect(answer.status).toBe(201);
    expect(await (await registry.request("GET", locationOf(answer))).text()).toBe(blob);
  });

  test("PATCH without a range streams a blob, PUT ends it", async () => {
    const blob = "streamed ".repeat(50_000);
    const patch = await registry.request("PATCH", await begin(), {
      body: new Blob([blob]).stream(),
      headers: octets,
    });
    expect([patch.status, patch.headers.get("range")]).toEqual([202, `0-${blob.length - 1}`]);
    const put = await registry.request("PUT", `${locationOf(patch)}?digest=${digestOf(blob)}`);
    expect(put.status).toBe(201);
    expect((await call("HEAD", `${repository}/blobs/${digestOf(blob)}`)).headers.get("content-length")).toBe(
      String(blob.length),
    );
  });

  test("chunks: out of order is 416, GET says where to go on, the last may come with the PUT", async () => {
    const [first, second, third] = ["the first chunk ", "the second chunk ", "the third"];
    const blob = first + second + third;
    const location = await begin();
    const chunk = (text: string, start: number, method = "PATCH", where = location) =>
      registry.request(method, where, {
        body: text,
        headers: { ...octets, "Content-Range": `${start}-${start + text.length - 1}` },
      });
    const early = await chunk(second, first.length);
    expect([early.status, early.headers.get("range")]).toEqual([416, "0-0"]);
    expect((await chunk(first, 0)).status).toBe(202);
    expect((await chunk(first, 0)).status).toBe(416);
    const status = await registry.request("GET", location);
    expect([status.status, status.headers.get("range")]).toEqual([204, `0-${first.length - 1}`]);
    expect(locationOf(status)).toBe(location);
    const next = await chunk(second, first.length);
    expect([next.status, next.headers.get("range")]).toEqual([202, `0-${first.length + second.length - 1}`]);
    const put = await chunk(third, first.length + second.length, "PUT", `${location}?digest=${digestOf(blob)}`);
    expect(put.status).toBe(201);
    expect(await (await call("GET", `${repository}/blobs/${digestOf(blob)}`)).text()).toBe(blob);
    expect((await registry.request("GET", location)).status).toBe(404);
  });

  test("an upload that is cancelled is gone", async () => {
    const location = await begin();
    expect((await registry.request("DELETE", location)).status).toBe(204);
    const again = await registry.request("GET", location);
    expect([again.status, await codeOf(again)]).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("a wrong digest is 400 DIGEST_INVALID, and nothing becomes visible", async () => {
    const wrong = digestOf("something else");
    const put = await registry.request("PUT", `${await begin()}?digest=${wrong}`, {
      body: "not that",
      headers: octets,
    });
    expect([put.status, await codeOf(put)]).toEqual([400, "DIGEST_INVALID"]);
    for (const digest of [wrong, digestOf("not that")])
      expect((await call("HEAD", `${repository}/blobs/${digest}`)).status).toBe(404);
  });

  test("sha512 digests, announced or not", async () => {
    for (const [blob, query] of [
      ["announced", "?digest-algorithm=sha512"],
      ["not announced", ""],
    ] as const) {
      const digest = digestOf(blob, "sha512");
      const started = await call("POST", `${repository}/blobs/uploads/${query}`);
      const put = await registry.request("PUT", `${locationOf(started)}?digest=${digest}`, {
        body: blob,
        headers: octets,
      });
      expect(put.status).toBe(201);
      const answer = await call("GET", `${repository}/blobs/${digest}`);
      expect([await answer.text(), answer.headers.get("docker-content-digest")]).toEqual([blob, digest]);
    }
    await registry.pushImage(repository, "for-config", layer);
    const text = JSON.stringify(imageOf(config, [layer], { annotations: { long: "digest" } }));
    const digest = digestOf(text, "sha512");
    expect(await registry.pushManifest(repository, digest, JSON.parse(text) as object)).toBe(digest);
    expect(await (await call("GET", `${repository}/manifests/${digest}`)).text()).toBe(text);
  });

  test("a blob is mounted from another repository, with and without its name; else an upload begins", async () => {
    const blob = "mounted";
    const digest = await registry.pushBlob(repository, blob);
    for (const [to, query] of [
      [other, `&from=${repository}`],
      ["conformance/third", ""],
    ] as const) {
      const answer = await call("POST", `${to}/blobs/uploads/?mount=${digest}${query}`);
      expect([answer.status, locationOf(answer)]).toEqual([201, `/v2/${to}/blobs/${digest}`]);
      expect(await (await call("GET", `${to}/blobs/${digest}`)).text()).toBe(blob);
    }
    for (const query of [`mount=${missing}&from=${repository}`, `mount=${digest}&from=conformance/nothing`]) {
      const answer = await call("POST", `${other}/blobs/uploads/?${query}`);
      expect(answer.status).toBe(202);
      expect(locationOf(answer)).toContain(`/v2/${other}/blobs/uploads/`);
    }
  });

  test("a manifest is put under a tag and under a digest; Location and digest lead to it", async () => {
    await registry.pushImage(repository, "pushed", "another layer");
    const text = JSON.stringify(imageOf(config, ["another layer"]));
    for (const reference of ["pushed-again", digestOf(text)]) {
      const answer = await call("PUT", `${repository}/manifests/${reference}`, {
        body: text,
        headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" },
      });
      expect([answer.status, answer.headers.get("docker-content-digest")]).toEqual([201, digestOf(text)]);
      expect(await (await registry.request("GET", locationOf(answer))).text()).toBe(text);
    }
  });

  test("a manifest without layers and one whose blobs are missing", async () => {
    await registry.pushManifest(repository, "no-layers", imageOf(config, []));
    const answer = await call("PUT", `${repository}/manifests/no-blobs`, {
      body: JSON.stringify(imageOf(config, ["never pushed"])),
      headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" },
    });
    expect([answer.status, await codeOf(answer)]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    expect((await call("HEAD", `${repository}/manifests/no-blobs`)).status).toBe(404);
  });

  test("a manifest under a digest that is not its own is 400 DIGEST_INVALID", async () => {
    const answer = await call("PUT", `${repository}/manifests/${missing}`, {
      body: JSON.stringify(imageOf(config, [])),
      headers: { "Content-Type": "application/vnd.oci.image.manifest.v1+json" },
    });
    expect([answer.status, await codeOf(answer)]).toEqual([400, "DIGEST_INVALID"]);
  });
});

describe("content discovery", () => {
  const tags = ["test0", "test1", "test2", "test3", "TEST0", "A-upper", "_under", "v1.0"];
  const sorted = [...tags].sort();
  const subject = imageOf(config, [layer]);
  const subjectText = JSON.stringify(subject);
  const subjectDescriptor = descriptor(subjectText, subject.mediaType);

  beforeAll(async () => {
    for (const tag of tags) await registry.pushImage("conformance/tags", tag, layer);
  });

  test("GET of tags, all, the first n, and those after one", async () => {
    const list = async (query: string): Promise<unknown> =>
      ((await (await call("GET", `conformance/tags/tags/list${query}`)).json()) as { tags: unknown }).tags;
    expect(await list("")).toEqual(sorted);
    expect(await list("?n=4")).toEqual(sorted.slice(0, 4));
    expect(await list("?n=0")).toEqual([]);
    expect(await list(`?n=3&last=${sorted[2]}`)).toEqual(sorted.slice(3, 6));
    expect(await list(`?last=${sorted[2]}x`)).toEqual(sorted.filter((tag) => tag > `${sorted[2]}x`));
  });

  test("the header Link leads over all pages, and is missing on the last", async () => {
    const found: string[] = [];
    let path: string | undefined = "/v2/conformance/tags/tags/list?n=3";
    let pages = 0;
    while (path !== undefined) {
      const answer = await registry.request("GET", path);
      found.push(...((await answer.json()) as { tags: string[] }).tags);
      path = /^<(.+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
      pages += 1;
    }
    expect([found, pages]).toEqual([sorted, 3]);
  });

  test("tags of a repository that is not there are 404 NAME_UNKNOWN; a count that is none is 400", async () => {
    const answer = await call("GET", "conformance/nothing/tags/list");
    expect([answer.status, await codeOf(answer)]).toEqual([404, "NAME_UNKNOWN"]);
    const bad = await call("GET", "conformance/tags/tags/list?n=-1");
    expect([bad.status, await codeOf(bad)]).toEqual([400, "PAGINATION_NUMBER_INVALID"]);
  });

  test("referrers: an empty index, then what was pushed, by type of config and of artifact, before and after the subject", async () => {
    const name = "conformance/referrers";
    const none = await call("GET", `${name}/referrers/${subjectDescriptor.digest}`);
    expect([none.status, none.headers.get("content-type")]).toEqual([200, index]);
    expect(await none.json()).toEqual({ schemaVersion: 2, mediaType: index, manifests: [] });
    await registry.pushBlob(name, config);
    await registry.pushBlob(name, layer);
    await registry.pushBlob(name, "{}");
    const empty = descriptor("{}", "application/vnd.oci.empty.v1+json");
    const artifact = (artifactType: string | undefined, annotations: object) => ({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      ...(artifactType !== undefined && { artifactType }),
      config: artifactType === undefined ? descriptor(config, "application/vnd.example.config") : empty,
      layers: [empty],
      subject: subjectDescriptor,
      annotations,
    });
    const put = async (manifest: object, mediaType = "application/vnd.oci.image.manifest.v1+json") => {
      const text = JSON.stringify(manifest);
      const answer = await call("PUT", `${name}/manifests/${digestOf(text)}`, {
        body: text,
        headers: { "Content-Type": mediaType },
      });
      expect([answer.status, answer.headers.get("oci-subject")]).toEqual([201, subjectDescriptor.digest]);
      return digestOf(text);
    };
    const sbom = await put(artifact("application/vnd.example.sbom", { "org.example": "sbom" }));
    await registry.pushManifest(name, "subject", subject);
    const signature = await put(artifact("application/vnd.example.signature", {}));
    const byConfig = await put(artifact(undefined, { a: "b" }));
    const anIndex = await put(
      {
        schemaVersion: 2,
        mediaType: index,
        artifactType: "application/vnd.example.index",
        manifests: [],
        subject: subjectDescriptor,
      },
      index,
    );
    const list = async (query = "") => {
      const answer = await call("GET", `${name}/referrers/${subjectDescriptor.digest}${query}`);
      const { manifests } = (await answer.json()) as {
        manifests: { digest: string; artifactType: string; annotations?: object; mediaType: string }[];
      };
      return { manifests, headers: answer.headers };
    };
    const all = await list();
    expect(all.manifests.map(({ digest }) => digest).sort()).toEqual([sbom, signature, byConfig, anIndex].sort());
    expect(all.headers.get("oci-filters-applied")).toBeNull();
    expect(all.manifests.find(({ digest }) => digest === sbom)).toMatchObject({
      artifactType: "application/vnd.example.sbom",
      annotations: { "org.example": "sbom" },
    });
    expect(all.manifests.find(({ digest }) => digest === byConfig)?.artifactType).toBe(
      "application/vnd.example.config",
    );
    expect(all.manifests.find(({ digest }) => digest === anIndex)?.mediaType).toBe(index);
    const filtered = await list("?artifactType=application/vnd.example.sbom");
    expect(filtered.manifests.map(({ digest }) => digest)).toEqual([sbom]);
    expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
    expect((await list("?artifactType=application/vnd.example.nothing")).manifests).toEqual([]);
    const tag = subjectDescriptor.digest.replace(":", "-");
    const fallback = (await (await call("GET", `${name}/manifests/${tag}`)).json()) as { manifests: unknown[] };
    expect(fallback.manifests).toHaveLength(4);
    expect((await call("DELETE", `${name}/manifests/${sbom}`)).status).toBe(202);
    expect((await list()).manifests).toHaveLength(3);
  });

  test("referrers that a client listed under the fall-back tag are told too; a bad digest is 400", async () => {
    const name = "conformance/fallback";
    await registry.pushImage(name, "subject", layer);
    await registry.pushBlob(name, "{}");
    const empty = descriptor("{}", "application/vnd.oci.empty.v1+json");
    const old = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactType: "application/vnd.old",
      config: empty,
      layers: [empty],
    };
    await registry.pushManifest(name, "old", old);
    const entry = { ...descriptor(JSON.stringify(old), old.mediaType), artifactType: old.artifactType };
    await registry.pushManifest(name, subjectDescriptor.digest.replace(":", "-"), {
      schemaVersion: 2,
      mediaType: index,
      manifests: [entry],
    });
    const answer = await call("GET", `${name}/referrers/${subjectDescriptor.digest}`);
    expect(((await answer.json()) as { manifests: unknown[] }).manifests).toEqual([entry]);
    const bad = await call("GET", `${name}/referrers/sha256:short`);
    expect([bad.status, await codeOf(bad)]).toEqual([400, "DIGEST_INVALID"]);
  });
});

describe("content management", () => {
  test("a tag is deleted without its manifest, a manifest with its tags, then its blobs", async () => {
    const name = "conformance/deleted";
    const digest = await registry.pushImage(name, "one", layer);
    await registry.pushImage(name, "two", layer);
    const needed = await call("DELETE", `${name}/blobs/${digestOf(layer)}`);
    expect(needed.status).toBe(405);
    expect((await call("DELETE", `${name}/manifests/one`)).status).toBe(202);
    expect((await call("GET", `${name}/manifests/one`)).status).toBe(404);
    expect((await call("GET", `${name}/manifests/${digest}`)).status).toBe(200);
    const list = (await (await call("GET", `${name}/tags/list`)).json()) as { tags: string[] };
    expect(list.tags).toEqual(["two"]);
    expect((await call("DELETE", `${name}/manifests/${digest}`)).status).toBe(202);
    for (const reference of ["two", digest])
      expect((await call("GET", `${name}/manifests/${reference}`)).status).toBe(404);
    expect((await call("DELETE", `${name}/manifests/${digest}`)).status).toBe(404);
    for (const blob of [config, layer]) {
      expect((await call("DELETE", `${name}/blobs/${digestOf(blob)}`)).status).toBe(202);
      expect((await call("HEAD", `${name}/blobs/${digestOf(blob)}`)).status).toBe(404);
    }
    const gone = await call("DELETE", `${name}/blobs/${digestOf(layer)}`);
    expect([gone.status, await codeOf(gone)]).toEqual([404, "BLOB_UNKNOWN"]);
    expect((await call("HEAD", `${repository}/blobs/${digestOf(layer)}`)).status).toBe(200);
  });
});
