import { afterAll, beforeAll, expect, test } from "bun:test";
import { createPrivateKey, sign } from "node:crypto";
import { copyFileSync, mkdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeAuthority, type TestAuthority } from "../../test/harness/certificates.ts";
import { startDockerRegistry, type TestRegistry } from "../../test/harness/docker-registry.ts";
import { mediaTypes, type OciDescriptor } from "../spec/oci/descriptor.ts";
import { collect, failure, opener, testBlob } from "./fixtures/bytes.ts";
import { named, testRegistries } from "./fixtures/registry-settings.ts";
import { json, refuse, scriptedServer } from "./fixtures/scripted-server.ts";
import type { Repository } from "./registries.ts";
import { digestOf } from "./transfer/digest.ts";

const joe = { name: "joe", password: "secret" };
const credentials = { username: joe.name, password: joe.password };
const config = testBlob(2000, 30);
const layer = testBlob(700_000, 31);
let folder: string;
let authority: TestAuthority;
let open: TestRegistry;

beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-repository-");
  authority = await makeAuthority(folder);
  open = await startDockerRegistry();
});
afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Pushes an image of two blobs and reads it back. */
async function roundTrip(repository: Repository): Promise<OciDescriptor> {
  for (const { bytes, descriptor } of [config, layer]) await repository.pushBlob(descriptor, opener(bytes));
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { ...config.descriptor, mediaType: mediaTypes.ociConfig },
      layers: [layer.descriptor],
    }),
  );
  const written = await repository.pushManifest("v1", { mediaType: mediaTypes.ociManifest, bytes });
  expect(written).toEqual({ mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.length });
  for (const reference of ["v1", written.digest]) {
    expect(await repository.resolve(reference)).toEqual(written);
    expect(await repository.manifest(reference)).toEqual({ descriptor: written, bytes });
  }
  expect(await collect(repository.blob(layer.descriptor))).toEqual(Buffer.from(layer.bytes));
  expect(await Array.fromAsync(repository.tags())).toEqual(["v1"]);
  return written;
}

test("an image goes to docker-registry and comes back", async () => {
  const registries = testRegistries();
  await roundTrip(registries.repository(named(open.host, "round/trip")));
  const gone = registries.repository(named(open.host, "round/nothing"));
  const error = await failure(gone.resolve("v9"));
  expect([error.kind, error.message]).toEqual([
    "not-found",
    `manifest for ${open.host}/round/nothing:v9 not found: manifest unknown: manifest unknown`,
  ]);
  const tags = await failure(Array.fromAsync(gone.tags()));
  expect([tags.kind, tags.message]).toEqual([
    "not-found",
    `repository ${open.host}/round/nothing not found: name unknown: repository name not known to registry`,
  ]);
});

test("a registry with users: nothing without a password, everything with it, login checks it", async () => {
  await using registry = await startDockerRegistry({ user: joe });
  const registries = testRegistries();
  await roundTrip(registries.repository(named(registry.host), { credentials }));
  const error = await failure(registries.repository(named(registry.host)).resolve("v1"));
  expect(error.kind).toBe("unauthorized");
  expect(error.message).toEndWith("no basic auth credentials");
  for (const address of [registry.host, `http://${registry.host}/v2/`])
    expect(await registries.login(address, credentials)).toEqual({ status: "Login Succeeded", identityToken: "" });
  const wrong = await failure(registries.login(registry.host, { ...credentials, password: "x" }));
  expect([wrong.kind, wrong.message]).toEqual([
    "unauthorized",
    `login attempt to http://${registry.host}/v2/ failed with status: 401 Unauthorized`,
  ]);
});

test("a registry with TLS of a private authority and client certificates is reached by certs.d", async () => {
  const server = await authority.issue("registry", ["DNS:registry.test", "IP:127.0.0.1"]);
  const client = await authority.issue("me", []);
  await using registry = await startDockerRegistry({ tls: { ...server, clientCa: authority.file } });
  const certs = join(folder, "certs.d", registry.host);
  mkdirSync(certs, { recursive: true });
  copyFileSync(authority.file, join(certs, "ca.crt"));
  const repository = () =>
    testRegistries({ certificateFolders: [join(folder, "certs.d")] }).repository(named(registry.host));
  expect((await failure(repository().resolve("v1"))).kind).toBe("unavailable"); // it wants a client certificate
  copyFileSync(client.certificate, join(certs, "client.cert"));
  copyFileSync(client.key, join(certs, "client.key"));
  await roundTrip(repository());
});

test("a registry with signed tokens: scopes for pull, push and mounting are asked for and enough", async () => {
  const signer = await authority.issue("signer", []);
  const key = createPrivateKey(await readFile(signer.key, "utf8"));
  const der = (await readFile(signer.certificate, "utf8")).replace(/-----[^-]+-----|\s/g, "");
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const scopesSeen = new Set<string>();
  await using tokens = await scriptedServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    const offline = url.searchParams.get("offline_token") === "true";
    if (request.headers.authorization !== `Basic ${btoa("joe:secret")}`) return refuse(response, 401, "UNAUTHORIZED");
    const access = url.searchParams.getAll("scope").map((scope) => {
      scopesSeen.add(scope);
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "test issuer",
      sub: "joe",
      aud: "test",
      exp: now + 300,
      nbf: now - 10,
      iat: now,
      jti: crypto.randomUUID(),
      access,
    };
    const head = `${encode({ typ: "JWT", alg: "ES256", x5c: [der] })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(head), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
    json(response, 200, { token: `${head}.${signature}`, expires_in: 300, ...(offline && { refresh_token: "again" }) });
  });
  await using registry = await startDockerRegistry({
    token: { realm: `${tokens.origin}/token`, service: "test", issuer: "test issuer", bundle: authority.file },
  });
  const registries = testRegistries();
  await roundTrip(registries.repository(named(registry.host), { credentials }));
  const other = registries.repository(named(registry.host, "team/other"), { credentials });
  expect(await other.pushBlob(layer.descriptor, opener(layer.bytes), { from: ["team/app"] })).toBe("mounted");
  expect([...scopesSeen].toSorted()).toEqual([
    "repository:team/app:pull",
    "repository:team/app:pull,push",
    "repository:team/other:pull,push",
  ]);
  expect(await registries.login(registry.host, credentials)).toEqual({
    status: "Login Succeeded",
    identityToken: "again",
  });
  const wrong = await failure(registries.login(registry.host, { ...credentials, password: "x" }));
  expect([wrong.kind, wrong.message]).toEqual(["unauthorized", "unauthorized: unauthorized"]);
  expect(await registries.search(`${registry.host}/team`, { limit: 0, credentials })).toEqual(
    ["team/app", "team/other"].map((name) => ({ name, description: "", stars: 0, official: false, automated: false })),
  );
});
