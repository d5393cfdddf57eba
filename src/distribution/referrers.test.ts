import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDockerRegistry, type TestRegistry } from "../../test/harness/docker-registry.ts";
import { startRegistry, type TestRegistry as OwnRegistry } from "../../test/harness/registry.ts";
import { mediaTypes } from "../spec/oci/descriptor.ts";
import { failure, opener } from "./fixtures/bytes.ts";
import { named, testRegistries } from "./fixtures/registry-settings.ts";
import { json, scriptedServer } from "./fixtures/scripted-server.ts";
import { digestOf } from "./transfer/digest.ts";

let theirs: TestRegistry;
let ours: OwnRegistry;
beforeAll(async () => {
  [theirs, ours] = await Promise.all([startDockerRegistry(), startRegistry()]);
}, 60_000);
afterAll(async () => {
  await theirs[Symbol.asyncDispose]();
  await ours[Symbol.asyncDispose]();
}, 60_000);

const empty = Buffer.from("{}");
const emptyBlob = { mediaType: mediaTypes.empty, digest: digestOf(empty), size: empty.length };
const document = (over: object = {}) => ({
  mediaType: mediaTypes.ociManifest,
  bytes: Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: emptyBlob,
      layers: [emptyBlob],
      ...over,
    }),
  ),
});

test("what names a subject is listed with it, by a registry that keeps the list and by one that does not", async () => {
  for (const [host, hasTag] of [
    [theirs.host, true],
    [ours.address, false],
  ] as const) {
    const repository = testRegistries().repository(named(host, "team/signed"));
    await repository.pushBlob(emptyBlob, opener(empty));
    const subject = await repository.pushManifest("v1", document());
    expect(await repository.referrers(subject.digest)).toEqual([]);
    const expected = [];
    for (const name of ["one", "two", "one"]) {
      const referrer = document({ subject, artifactType: `text/${name}`, annotations: { name } });
      const written = await repository.pushManifest(digestOf(referrer.bytes), referrer);
      if (expected.length < 2) expected.push({ ...written, artifactType: `text/${name}`, annotations: { name } });
    }
    const found = await repository.referrers(subject.digest);
    expect(found.toSorted((a, b) => (a.artifactType ?? "").localeCompare(b.artifactType ?? ""))).toEqual(expected);
    const tags = await Array.fromAsync(repository.tags());
    expect(tags.includes(subject.digest.replace(":", "-"))).toBe(hasTag);
  }
});

test("a list of referrers that is none is an error", async () => {
  const answers: unknown[] = [[], null, { schemaVersion: 2, manifests: [{}] }, JSON.parse(document().bytes.toString())];
  for (const answer of answers) {
    await using server = await scriptedServer((_request, response) => json(response, 200, answer));
    const repository = testRegistries().repository(named(server.host));
    expect((await failure(repository.referrers(emptyBlob.digest))).kind).toBe("invalid");
  }
});
