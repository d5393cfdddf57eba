import { expect, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { mediaTypes } from "../spec/oci/descriptor.ts";
import { failure } from "./fixtures/bytes.ts";
import { named, testRegistries } from "./fixtures/registry-settings.ts";
import { json, refuse, type ScriptedServer, scriptedServer } from "./fixtures/scripted-server.ts";
import { digestOf } from "./transfer/digest.ts";

const manifest = Buffer.from('{"schemaVersion":2,"text":"the manifest"}');
const digest = digestOf(manifest);
const at = (server: ScriptedServer) => testRegistries({ attempts: 2 }).repository(named(server.host));
const give = (
  response: ServerResponse,
  request: IncomingMessage,
  over: { headers?: Record<string, string | number>; bytes?: Uint8Array } = {},
): void => {
  const bytes = over.bytes ?? manifest;
  response.writeHead(200, {
    "Content-Type": mediaTypes.ociManifest,
    "Docker-Content-Digest": digest,
    "Content-Length": bytes.length,
    ...over.headers,
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
};
const methods = ({ seen }: ScriptedServer): string =>
  seen
    .filter(({ url }) => url !== "/v2/")
    .map(({ method }) => method)
    .join(" ");

test("resolving asks for the head alone, with the types of both worlds", async () => {
  await using server = await scriptedServer((request, response) => give(response, request));
  expect(await at(server).resolve("v1")).toEqual({ mediaType: mediaTypes.ociManifest, digest, size: manifest.length });
  expect(methods(server)).toBe("HEAD");
  for (const type of [mediaTypes.ociIndex, mediaTypes.ociManifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest])
    expect(server.seen.at(-1)?.headers.accept).toContain(type);
});

test("a head that does not tell all is followed by a get, whose bytes tell", async () => {
  const heads: ((request: IncomingMessage, response: ServerResponse) => void)[] = [
    (_request, response) => void response.writeHead(405).end(),
    (_request, response) => refuse(response, 404, "MANIFEST_UNKNOWN"),
    (request, response) => give(response, request, { headers: { "Docker-Content-Digest": "md5:123" } }),
    (request, response) => give(response, request, { headers: { "Content-Type": "text/plain" } }),
    (request, response) => give(response, request, { headers: { "Content-Length": 900_000_000 } }),
  ];
  for (const head of heads) {
    await using server = await scriptedServer((request, response) =>
      request.method === "HEAD" ? head(request, response) : give(response, request),
    );
    expect((await at(server).resolve("v1")).digest).toBe(digest);
    expect(methods(server)).toBe("HEAD GET");
  }
});

test("a limit of the registry is told in its words, after the tries that are set", async () => {
  await using server = await scriptedServer((request, response) =>
    request.url === "/v2/"
      ? void response.end()
      : json(response, 429, {
          errors: [{ code: "TOOMANYREQUESTS", message: "You have reached your pull rate limit." }],
        }),
  );
  const error = await failure(at(server).resolve("v1"));
  expect([error.kind, error.message]).toEqual([
    "unavailable",
    "toomanyrequests: You have reached your pull rate limit.",
  ]);
  expect(methods(server)).toBe("HEAD GET HEAD GET");
});

test("a manifest that is not its digest is refused, asked for by digest or announced by the registry", async () => {
  const other = digestOf(Buffer.from("other"));
  await using server = await scriptedServer((request, response) =>
    give(response, request, { headers: { "Docker-Content-Digest": other } }),
  );
  for (const [reference, wanted, given] of [
    ["v1", other, digest],
    [digest, digest, other],
    [other, other, digest],
  ] as const) {
    const error = await failure(reference === digest ? at(server).resolve(reference) : at(server).manifest(reference));
    expect(error.kind).toBe("invalid");
    expect(error.message).toBe(`manifest verification failed for digest ${wanted}: the registry gave ${given}`);
  }
});

test("sha512 digests are checked as such", async () => {
  await using server = await scriptedServer((request, response) =>
    give(response, request, { headers: { "Docker-Content-Digest": digestOf(manifest, `sha512:${"0".repeat(128)}`) } }),
  );
  const { descriptor } = await at(server).manifest("v1");
  expect(descriptor.digest).toStartWith("sha512:");
  expect((await failure(at(server).manifest(`sha512:${"0".repeat(128)}`))).message).toContain("verification failed");
});

test("a manifest that is too long is not read, announced or not", async () => {
  for (const announced of [true, false]) {
    let written = 0;
    await using server = await scriptedServer((request, response) => {
      if (request.url === "/v2/") return void response.end();
      response.writeHead(200, {
        "Content-Type": mediaTypes.ociManifest,
        ...(announced && { "Content-Length": 1_000_000_000 }),
      });
      const more = (): void => {
        while (written < 1_000_000_000 && response.write(Buffer.alloc(100_000))) written += 100_000;
      };
      response.on("drain", more);
      more();
    });
    const error = await failure(at(server).manifest("v1"));
    expect([error.kind, error.message.includes("4194304 bytes")]).toEqual(["invalid", true]);
    expect(written).toBeLessThan(50_000_000);
  }
});

test("a manifest that stalls or is cut is tried again and then an error", async () => {
  for (const stall of [true, false]) {
    await using server = await scriptedServer((request, response) => {
      if (request.url === "/v2/") return void response.end();
      response.writeHead(200, { "Content-Type": mediaTypes.ociManifest, "Content-Length": 100 });
      response.write("{", () => !stall && response.socket?.destroy());
    });
    const error = await failure(at(server).manifest("v1"));
    expect(error.kind).toBe("unavailable");
    expect(methods(server)).toBe("GET GET");
  }
});

test("a registry's text cannot forge lines or fill logs", async () => {
  await using server = await scriptedServer((request, response) => {
    if (request.url === "/v2/") return void response.end();
    response.writeHead(400, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ errors: [{ code: "X\u001b[31m", message: `a\r\nb${"c".repeat(50_000)}` }] }));
  });
  const { message } = await failure(at(server).manifest("v1"));
  // oxlint-disable-next-line no-control-regex
  expect(message).not.toMatch(/[\u0000-\u001f]/);
  expect(message.length).toBeLessThan(2000);
});

test("a written manifest must be stored as it was sent", async () => {
  let told = digest;
  await using server = await scriptedServer((request, response) =>
    request.url === "/v2/"
      ? void response.end()
      : void response.writeHead(201, { "Docker-Content-Digest": told }).end(),
  );
  const document = { mediaType: mediaTypes.ociManifest, bytes: manifest };
  expect(await at(server).pushManifest("v1", document)).toEqual({
    mediaType: mediaTypes.ociManifest,
    digest,
    size: manifest.length,
  });
  expect(server.seen.at(-1)?.headers["content-type"]).toBe(mediaTypes.ociManifest);
  told = digestOf(Buffer.from("changed"));
  expect((await failure(at(server).pushManifest("v1", document))).kind).toBe("invalid");
});
