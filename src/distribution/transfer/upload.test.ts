import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startDockerRegistry, type TestRegistry } from "../../../test/harness/docker-registry.ts";
import { until } from "../../../test/harness/run.ts";
import { collect, failure, opener, testBlob } from "../fixtures/bytes.ts";
import { cuttingProxy } from "../fixtures/cutting-proxy.ts";
import { named, testRegistries } from "../fixtures/registry-settings.ts";
import { refuse, type ScriptedServer, scriptedServer } from "../fixtures/scripted-server.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startDockerRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

const at = (path: string, host = registry.host) => testRegistries().repository(named(host, path));
const never = (): never => {
  throw new Error("nothing was to be uploaded");
};

test("a blob is uploaded once; then it is there, and other repositories mount it", async () => {
  const { bytes, descriptor } = testBlob(3_000_000, 11);
  const sent: number[] = [];
  expect(await at("up/one").pushBlob(descriptor, opener(bytes), { sent: (count) => sent.push(count) })).toBe(
    "uploaded",
  );
  expect(sent.at(-1)).toBe(bytes.length);
  expect(sent).toEqual(sent.toSorted((a, b) => a - b));
  expect(await at("up/one").pushBlob(descriptor, never)).toBe("exists");
  const mounted: string[] = [];
  expect(
    await at("up/two").pushBlob(descriptor, never, {
      from: ["up/without", "up/one"],
      mounted: (from) => mounted.push(from),
    }),
  ).toBe("mounted");
  expect(mounted).toEqual(["up/one"]);
  expect(await collect(at("up/two").blob(descriptor))).toEqual(Buffer.from(bytes));
});

test("what no repository can mount is uploaded, and no upload is left open", async () => {
  const { bytes, descriptor } = testBlob(200_000, 12);
  expect(await at("up/three").pushBlob(descriptor, opener(bytes), { from: ["up/a", "up/b"] })).toBe("uploaded");
  await until("the registry has no open uploads", () => openUploads("up/three").length === 0);
});

test("empty and small blobs go with one request", async () => {
  for (const length of [0, 1, 65_536, 65_537]) {
    const { bytes, descriptor } = testBlob(length, 13);
    expect(await at("up/small").pushBlob(descriptor, opener(bytes))).toBe("uploaded");
    expect((await collect(at("up/small").blob(descriptor))).length).toBe(length);
  }
});

test("an upload that is cut begins again where the registry cannot say how far it got", async () => {
  await using proxy = await cuttingProxy(registry.host);
  const { bytes, descriptor } = testBlob(8_000_000, 14);
  const opened: number[] = [];
  proxy.cutAfterBytes = 3_000_000;
  const open = (offset: number): AsyncIterable<Uint8Array> => {
    opened.push(offset);
    if (opened.length === 2) proxy.cutAfterBytes = 0;
    return opener(bytes)(offset);
  };
  expect(await at("up/cut", proxy.host).pushBlob(descriptor, open)).toBe("uploaded");
  expect(proxy.cuts).toBeGreaterThanOrEqual(1);
  expect(await collect(at("up/cut").blob(descriptor))).toEqual(Buffer.from(bytes));
});

test("an upload whose content is not its digest is refused by the registry, and cancelled", async () => {
  const { bytes } = testBlob(100_000, 15);
  const { descriptor } = testBlob(100_000, 16);
  const error = await failure(at("up/wrong").pushBlob(descriptor, opener(bytes)));
  expect([error.kind, error.message]).toEqual([
    "invalid",
    "digest invalid: provided digest did not match uploaded content",
  ]);
  expect(await at("up/wrong").has(descriptor.digest)).toBe(false);
  await until("the registry has no open uploads", () => openUploads("up/wrong").length === 0);
});

test("a source that is too short, or fails, ends the upload with its own error", async () => {
  const { bytes, descriptor } = testBlob(400_000, 17);
  const short = await failure(at("up/short").pushBlob(descriptor, opener(bytes.subarray(0, 300_000))));
  expect(short.message).toBe("the content ended after 300000 of 400000 bytes");
  const broken = await failure(at("up/short").pushBlob(descriptor, never));
  expect(broken.message).toBe("nothing was to be uploaded");
});

/** Uploads that docker-registry holds for a repository. */
function openUploads(path: string): string[] {
  try {
    const folder = join(registry.root, "docker/registry/v2/repositories", path, "_uploads");
    // a cancelled one leaves its folder there
    return readdirSync(folder).filter((name) => existsSync(join(folder, name, "data")));
  } catch {
    return []; // it never had one
  }
}

interface UploadState {
  got: Uint8Array;
  /** Cuts the connection when so many bytes are here. */
  cutAtBytes: number;
}

/** A registry of uploads that remembers what it got; `over` may answer first: a status, or 0 for a broken connection. */
async function uploadServer(
  over: (
    state: UploadState,
    request: { method: string; url: string; length: number },
  ) => number | { status: number; code: string } | undefined = () => undefined,
): Promise<ScriptedServer & { state: UploadState }> {
  const state: UploadState = { got: new Uint8Array(), cutAtBytes: Number.POSITIVE_INFINITY };
  const server = await scriptedServer(
    async (request, response) => {
      const { method = "", url = "" } = request;
      const length = Number(request.headers["content-length"] ?? 0);
      const answer = over(state, { method, url, length });
      const { status, code } = typeof answer === "object" ? answer : { status: answer, code: "DENIED" };
      if (status === 0) return void request.socket.destroy();
      if (status !== undefined) {
        request.resume();
        return refuse(response, status, code, { Connection: "close" });
      }
      const range = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
      if (method === "PATCH" && Number(range ?? 0) !== state.got.length) return refuse(response, 416, "RANGE_INVALID");
      for await (const piece of request) {
        state.got = Buffer.concat([state.got, piece as Uint8Array]);
        if (state.got.length < state.cutAtBytes) continue;
        state.got = state.got.slice(0, state.cutAtBytes);
        state.cutAtBytes = Number.POSITIVE_INFINITY;
        return void request.socket.destroy();
      }
      const headers = { Location: "/v2/u/1?state=a%20b", Range: `0-${Math.max(0, state.got.length - 1)}` };
      if (method === "HEAD") response.writeHead(404).end();
      else if (method === "POST") response.writeHead(202, { Location: "/v2/u/1?state=a%20b" }).end();
      else if (method === "GET") response.writeHead(204, headers).end();
      else if (method === "PATCH") response.writeHead(202, headers).end();
      else response.writeHead(201).end();
    },
    { raw: true },
  );
  return Object.assign(server, { state });
}
const calls = (server: ScriptedServer): string[] =>
  server.seen
    .filter(({ url }) => url !== "/v2/")
    .map(({ method, headers }) => `${method} ${headers["content-range"] ?? ""}`.trim());

test("where a proxy refuses long bodies (413) the blob goes in chunks, in order", async () => {
  const { bytes, descriptor } = testBlob(20_000_000, 19);
  await using server = await uploadServer((_state, { method, length }) =>
    method === "PATCH" && length > 8 * 1024 * 1024 ? 413 : undefined,
  );
  expect(await at("x/y", server.host).pushBlob(descriptor, opener(bytes))).toBe("uploaded");
  expect(calls(server).slice(-4)).toEqual([
    "PATCH 0-8388607",
    "PATCH 8388608-16777215",
    "PATCH 16777216-19999999",
    "PUT",
  ]);
  expect(server.seen.at(-1)?.url).toBe(`/v2/u/1?state=a%20b&digest=${encodeURIComponent(descriptor.digest)}`);
});

test("an upload that is cut goes on where the registry got to", async () => {
  const { bytes, descriptor } = testBlob(8_000_000, 23);
  await using server = await uploadServer();
  server.state.cutAtBytes = 3_000_001;
  const opened: number[] = [];
  const sent: number[] = [];
  const open = (offset: number): AsyncIterable<Uint8Array> => {
    opened.push(offset);
    return opener(bytes)(offset);
  };
  const options = { sent: (count: number) => sent.push(count) };
  expect(await at("x/y", server.host).pushBlob(descriptor, open, options)).toBe("uploaded");
  expect(opened).toEqual([0, 3_000_001]);
  expect(calls(server)).toEqual(["HEAD", "POST", "PATCH", "GET", "PATCH 3000001-7999999", "PUT"]);
  expect(server.state.got).toEqual(Buffer.from(bytes));
  expect(sent.at(-1)).toBe(bytes.length);
});

test("cancelling an upload ends it there too", async () => {
  const { bytes, descriptor } = testBlob(4_000_000, 18);
  await using server = await uploadServer();
  const stop = new AbortController();
  const slow = async function* (offset: number): AsyncGenerator<Uint8Array> {
    for await (const piece of opener(bytes)(offset)) {
      yield piece;
      await Bun.sleep(5);
    }
  };
  const pushing = at("up/cancel", server.host).pushBlob(descriptor, slow, {
    signal: stop.signal,
    sent: (count) => count > 1_000_000 && stop.abort(),
  });
  expect((await failure(pushing)).kind).toBe("cancelled");
  expect(calls(server)).toEqual(["HEAD", "POST", "PATCH", "DELETE"]);
});

test("an upload that the registry has forgotten begins anew, a lost answer is looked up", async () => {
  const { bytes, descriptor } = testBlob(200_000, 20);
  let forgotten = true;
  await using server = await uploadServer((state, { method, url }) => {
    if (method !== "GET" || url === "/v2/" || !forgotten) return undefined;
    forgotten = false;
    state.got = new Uint8Array();
    return 404;
  });
  server.state.cutAtBytes = 150_000;
  expect(await at("x/y", server.host).pushBlob(descriptor, opener(bytes))).toBe("uploaded");
  expect(calls(server)).toEqual(["HEAD", "POST", "PATCH", "GET", "HEAD", "POST", "PATCH", "PUT"]);

  let stored = false;
  await using losing = await uploadServer((_state, { method, url }) => {
    if (method === "HEAD") return stored ? 200 : 404;
    if (method === "GET" && url !== "/v2/") return 404;
    if (method !== "PUT") return undefined;
    stored = true;
    return 0; // it took the blob, and its answer is lost
  });
  expect(await at("x/y", losing.host).pushBlob(descriptor, opener(bytes))).toBe("uploaded");
  // Bun sends a request without a body once more by itself when a kept connection closes on it
  expect([...new Set(calls(losing))]).toEqual(["HEAD", "POST", "PATCH", "PUT", "GET"]);
  expect(calls(losing).slice(-2)).toEqual(["GET", "HEAD"]);
});

test("an upload that the registry loses while it is sent begins anew; one whose place it mistakes too", async () => {
  const { bytes, descriptor } = testBlob(200_000, 25);
  for (const [status, code] of [
    [404, "BLOB_UPLOAD_UNKNOWN"],
    [416, "RANGE_INVALID"],
  ] as const) {
    let refused = false;
    await using server = await uploadServer((_state, { method }) => {
      if (method !== "PATCH" || refused) return undefined;
      refused = true;
      return { status, code };
    });
    expect(await at("x/y", server.host).pushBlob(descriptor, opener(bytes))).toBe("uploaded");
    expect(server.state.got).toEqual(Buffer.from(bytes));
  }
});

test("a blob that lies elsewhere is there, whatever its address says to a HEAD", async () => {
  const { descriptor } = testBlob(1000, 26);
  await using store = await scriptedServer((_request, response) => void response.writeHead(403).end());
  await using server = await scriptedServer((request, response) => {
    if (request.url === "/v2/") return void response.end();
    response.writeHead(307, { Location: `${store.origin}/signed-for-get` }).end();
  });
  expect(await at("x/y", server.host).pushBlob(descriptor, never)).toBe("exists");
  expect(await at("x/y", server.host).has(descriptor.digest)).toBe(true);
  expect(store.seen).toEqual([]);
});

test("an upload that the registry cuts again and again ends after the tries that are set", async () => {
  const { bytes, descriptor } = testBlob(200_000, 24);
  await using server = await uploadServer((_state, { method }) => (method === "PATCH" ? 0 : undefined));
  const error = await failure(at("x/y", server.host).pushBlob(descriptor, opener(bytes)));
  expect(error.kind).toBe("unavailable");
  expect(calls(server).filter((call) => call.startsWith("PATCH")).length).toBe(5);
  expect(calls(server).at(-1)).toBe("DELETE");
});

test("no right to push is told in docker's words and not tried again", async () => {
  await using server = await uploadServer((_state, { method }) => (method === "POST" ? 403 : undefined));
  const { bytes, descriptor } = testBlob(1000, 21);
  const error = await failure(at("x/y", server.host).pushBlob(descriptor, opener(bytes)));
  expect([error.kind, error.message]).toEqual(["unauthorized", "denied: denied"]);
  expect(calls(server)).toEqual(["HEAD", "POST"]);
});

test("an upload address on another host gets the bytes and no rights, one without TLS under TLS nothing", async () => {
  const { bytes, descriptor } = testBlob(100_000, 22);
  let length = 0;
  await using store = await scriptedServer((request, response, body) => {
    length += body.length;
    response.writeHead(request.method === "PATCH" ? 202 : 201, { Location: "/v2/u/2", Range: "0-99999" }).end();
  });
  await using server = await scriptedServer((request, response) => {
    if (request.headers.authorization === undefined && request.url !== "/v2/")
      return refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic realm=x" });
    if (request.method === "POST") response.writeHead(202, { Location: `${store.origin}/v2/u/2` }).end();
    else response.writeHead(404).end();
  });
  const credentials = { username: "joe", password: "secret" };
  const repository = testRegistries().repository(named(server.host), { credentials });
  expect(await repository.pushBlob(descriptor, opener(bytes))).toBe("uploaded");
  expect(length).toBeGreaterThan(0);
  expect(JSON.stringify(store.seen)).not.toContain("uthorization");
});
