import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import { failure } from "../fixtures/bytes.ts";
import { named, testRegistries } from "../fixtures/registry-settings.ts";
import { type Handler, json, refuse, type ScriptedServer, scriptedServer } from "../fixtures/scripted-server.ts";
import { digestOf } from "../transfer/digest.ts";

const manifest = Buffer.from('{"schemaVersion":2}');
const joe = { username: "joe", password: "pa:ss" };
const basicOfJoe = `Basic ${btoa("joe:pa:ss")}`;

/** A registry that takes the token `good-N` of the newest grant, and a token server that `grant` answers for. */
async function tokenPair(
  grant: Handler,
): Promise<AsyncDisposable & { registry: ScriptedServer; tokens: ScriptedServer; good: { value: string } }> {
  const good = { value: "good" };
  const tokens = await scriptedServer(grant);
  const registry = await scriptedServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${good.value}`)
      return refuse(response, 401, "UNAUTHORIZED", {
        "WWW-Authenticate": `Bearer realm="${tokens.origin}/token",service="the registry",scope="repository:team/app:pull"`,
      });
    give(response);
  });
  return {
    registry,
    tokens,
    good,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
    },
  };
}
const give = (response: ServerResponse): void => {
  response.writeHead(200, {
    "Content-Type": mediaTypes.ociManifest,
    "Docker-Content-Digest": digestOf(manifest),
    "Content-Length": manifest.length,
  });
  response.end(manifest);
};
const granting =
  (over: Record<string, unknown> = {}): Handler =>
  (_request, response) =>
    json(response, 200, { token: "good", expires_in: 300, ...over });

test("an anonymous token is asked for with service and scope, once for as long as it is good", async () => {
  await using pair = await tokenPair(granting());
  const repository = testRegistries().repository(named(pair.registry.host));
  await Promise.all([repository.manifest("a"), repository.manifest("b"), repository.manifest("c")]);
  await repository.manifest("d");
  expect(pair.tokens.seen.length).toBe(1);
  const url = new URL(pair.tokens.seen[0]?.url ?? "", pair.tokens.origin);
  expect([...url.searchParams]).toEqual([
    ["service", "the registry"],
    ["scope", "repository:team/app:pull"],
  ]);
  expect(pair.tokens.seen[0]?.headers.authorization).toBeUndefined();
});

test("a user's password goes to the token server alone, and each user has tokens of their own", async () => {
  await using pair = await tokenPair(granting());
  const registries = testRegistries();
  await registries.repository(named(pair.registry.host), { credentials: joe }).manifest("a");
  await registries.repository(named(pair.registry.host)).manifest("a");
  expect(pair.tokens.seen.map(({ headers }) => headers.authorization)).toEqual([basicOfJoe, undefined]);
  expect(pair.tokens.seen[0]?.url).toContain("account=joe");
  for (const { headers } of pair.registry.seen) expect(headers.authorization ?? "").not.toContain("Basic");
});

test("a token that ran out, or that the registry takes no more, is renewed", async () => {
  let issued = 0;
  await using pair = await tokenPair((_request, response) => {
    pair.good.value = `good${++issued}`;
    json(response, 200, { access_token: pair.good.value, expires_in: issued === 1 ? 0.05 : 300 });
  });
  const repository = testRegistries().repository(named(pair.registry.host));
  await repository.manifest("a");
  await Bun.sleep(60); // the first token's life
  await repository.manifest("a");
  expect(issued).toBe(2);
  pair.good.value = "revoked";
  await repository.manifest("a");
  expect(issued).toBe(3);
});

test("a refresh token is used by OAuth2's form, in the body", async () => {
  await using pair = await tokenPair(granting());
  const credentials = { identityToken: "refresh me", username: "joe" };
  await testRegistries().repository(named(pair.registry.host), { credentials }).manifest("a");
  const [asked] = pair.tokens.seen;
  expect(asked?.method).toBe("POST");
  expect(asked?.url).toBe("/token");
  expect(asked?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
    grant_type: "refresh_token",
    refresh_token: "refresh me",
    service: "the registry",
    client_id: "docker",
    scope: "repository:team/app:pull",
  });
});

test("a token server that knows the form alone gets user and password by it", async () => {
  await using pair = await tokenPair((request, response) =>
    request.method === "POST" ? granting()(request, response, "") : void response.writeHead(405).end(),
  );
  await testRegistries().repository(named(pair.registry.host), { credentials: joe }).manifest("a");
  const [, asked] = pair.tokens.seen;
  expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
    grant_type: "password",
    username: "joe",
    password: "pa:ss",
    service: "the registry",
    client_id: "docker",
    scope: "repository:team/app:pull",
  });
});

test("a registry token is used as it is, and a refusal of it asks nobody", async () => {
  await using pair = await tokenPair(granting());
  const repository = (registryToken: string) =>
    testRegistries().repository(named(pair.registry.host), { credentials: { registryToken } });
  await repository("good").manifest("a");
  expect((await failure(repository("bad").manifest("a"))).kind).toBe("unauthorized");
  expect(pair.tokens.seen).toEqual([]);
});

test("basic authentication is shown where the registry asks for it, and its absence is told in docker's words", async () => {
  await using registry = await scriptedServer((request, response) => {
    if (request.headers.authorization === basicOfJoe) give(response);
    else refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="x"' });
  });
  const get = (credentials = {}) => testRegistries().repository(named(registry.host), { credentials }).manifest("a");
  expect((await get(joe)).bytes).toEqual(manifest);
  expect((await failure(get())).message).toBe(
    `Get "${registry.origin}/v2/team/app/manifests/a": no basic auth credentials`,
  );
  const wrong = await failure(get({ username: "joe", password: "bad" }));
  expect([wrong.kind, wrong.message]).toEqual(["unauthorized", "unauthorized: unauthorized"]);
});

test("a refusal for lack of rights reads as moby's", async () => {
  await using tokens = await scriptedServer(granting());
  await using registry = await scriptedServer((request, response) => {
    const error = request.headers.authorization === undefined ? "" : ',error="insufficient_scope"';
    refuse(response, 401, "UNAUTHORIZED", {
      "WWW-Authenticate": `Bearer realm="${tokens.origin}/token",service="x"${error}`,
    });
  });
  const error = await failure(testRegistries().repository(named(registry.host)).manifest("a"));
  expect([error.kind, error.message]).toEqual([
    "not-found",
    `pull access denied for ${registry.host}/team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
  ]);
  expect(tokens.seen.length).toBe(1);
});

test("a token server that refuses, errs or lies gives a clear error", async () => {
  const answers: [Handler, string, string][] = [
    [(_q, r) => refuse(r, 401, "UNAUTHORIZED"), "unauthorized", "unauthorized: unauthorized"],
    [
      (_q, r) => json(r, 401, { details: "incorrect username or password" }),
      "unauthorized",
      "unauthorized: incorrect username or password",
    ],
    [(_q, r) => void r.writeHead(401).end(), "unauthorized", "unauthorized: authentication required"],
    [(_q, r) => void r.writeHead(403).end("no"), "not-found", "denied: requested access to the resource is denied"],
    [(_q, r) => void r.writeHead(418).end("no"), "unauthorized", "received unexpected HTTP status: 418"],
    [
      (_q, r) => void r.writeHead(500).end("no"),
      "unavailable",
      "received unexpected HTTP status: 500 Internal Server Error",
    ],
    [(_q, r) => void r.end("<html>"), "invalid", "gives what is not JSON"],
    [(_q, r) => json(r, 200, []), "unauthorized", "authorization server did not include a token in the response"],
    [(_q, r) => json(r, 200, null), "unauthorized", "authorization server did not include a token in the response"],
    [
      (_q, r) => json(r, 200, { token: "a\r\nX-Evil: 1" }),
      "unauthorized",
      "authorization server did not include a token",
    ],
    [(_q, r) => void r.end("x".repeat(3_000_000)), "invalid", "longer than 1048576 bytes"],
  ];
  for (const [answer, kind, text] of answers) {
    await using pair = await tokenPair(answer);
    const error = await failure(testRegistries({ attempts: 1 }).repository(named(pair.registry.host)).manifest("a"));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(text);
  }
});

test("a realm that is no http address, or holds a user, is refused", async () => {
  for (const realm of [
    "file:///etc/passwd",
    "ftp://x/",
    "/token",
    "http://",
    "http://user:pw@127.0.0.1/token",
    "\\u0000",
  ]) {
    await using registry = await scriptedServer((_request, response) =>
      refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": `Bearer realm="${realm}"` }),
    );
    const error = await failure(testRegistries().repository(named(registry.host), { credentials: joe }).manifest("a"));
    expect(error.kind).toBe("invalid");
    expect(error.message).toContain("names a token realm");
  }
});

test("a realm on another host without TLS gets nothing unless it is listed", async () => {
  await using registry = await scriptedServer((_request, response) =>
    refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Bearer realm="http://auth.invalid/token"' }),
  );
  const get = (insecure: string[]) =>
    failure(
      testRegistries({ insecure, attempts: 1 }).repository(named(registry.host), { credentials: joe }).manifest("a"),
    );
  expect((await get([])).message).toContain("http://auth.invalid, which is not encrypted");
  expect((await get(["auth.invalid"])).message).toContain("no such host");
});

test("a password does not follow a token server's redirect to another host", async () => {
  await using other = await scriptedServer(granting());
  await using pair = await tokenPair(
    (_request, response) => void response.writeHead(307, { Location: `${other.origin}/t` }).end(),
  );
  await testRegistries().repository(named(pair.registry.host), { credentials: joe }).manifest("a");
  expect(other.seen[0]?.headers.authorization).toBeUndefined();
  const error = await failure(
    testRegistries({ attempts: 1 })
      .repository(named(pair.registry.host), { credentials: { identityToken: "secret" } })
      .manifest("a"),
  );
  expect(error.message).toContain("answers with status 307");
  expect(JSON.stringify(other.seen)).not.toContain("secret");
});

test("one who stops waiting for a token does not stop the others", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  await using pair = await tokenPair(async (request, response) => {
    asked.resolve();
    await answer.promise;
    await granting()(request, response, "");
  });
  const stop = new AbortController();
  const repository = testRegistries().repository(named(pair.registry.host));
  const stopped = repository.manifest("a", { signal: stop.signal });
  await asked.promise;
  const other = repository.manifest("b");
  stop.abort();
  expect((await failure(stopped)).kind).toBe("cancelled");
  answer.resolve();
  expect((await other).bytes).toEqual(manifest);
  expect(pair.tokens.seen.length).toBe(1);
});
