import { expect, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import { collect, failure, testBlob } from "../fixtures/bytes.ts";
import { named, testRegistries } from "../fixtures/registry-settings.ts";
import { refuse, type ScriptedServer, scriptedServer } from "../fixtures/scripted-server.ts";

const size = 1_000_000;
const { bytes, descriptor } = testBlob(size);

/** What a request of a blob asks for, 0 without a range. */
const offsetOf = (request: IncomingMessage): number =>
  Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);

/** Gives the blob from the offset as a good registry does, cut after `most` bytes. */
function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: { most?: number; from?: Uint8Array } = {},
): void {
  const content = options.from ?? bytes;
  const offset = offsetOf(request);
  const length = content.length - offset;
  response.writeHead(offset > 0 ? 206 : 200, {
    "Content-Length": length,
    ...(offset > 0 && { "Content-Range": `bytes ${offset}-${content.length - 1}/${content.length}` }),
  });
  const end = Math.min(content.length, offset + (options.most ?? length));
  response.write(content.subarray(offset, end), () => {
    if (end < content.length) response.socket?.destroy();
    else response.end();
  });
}

/** A registry of blobs alone; `blob` answers for them. */
const blobServer = (blob: (request: IncomingMessage, response: ServerResponse) => void): Promise<ScriptedServer> =>
  scriptedServer((request, response) => {
    if (request.url === "/v2/") response.end();
    else blob(request, response);
  });
const blobRequests = (server: ScriptedServer): (string | undefined)[] =>
  server.seen.filter(({ url }) => url.includes("/blobs/")).map(({ headers }) => headers.range);
const download = (server: ScriptedServer, options: Parameters<ReturnType<typeof repository>["blob"]>[1] = {}) =>
  collect(repository(server).blob(descriptor, options));
const repository = (server: ScriptedServer) => testRegistries().repository(named(server.host));

test("a download that is cut goes on at the byte where it was cut", async () => {
  await using server = await blobServer((request, response) => serve(request, response, { most: 300_000 }));
  expect(await download(server)).toEqual(Buffer.from(bytes));
  const ranges = blobRequests(server);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.length).toBeGreaterThanOrEqual(4);
  for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=\d+-$/);
});

test("a download begins at the offset that is asked for", async () => {
  await using server = await blobServer(serve);
  expect(await download(server, { offsetBytes: 999_000 })).toEqual(Buffer.from(bytes.subarray(999_000)));
  expect(blobRequests(server)).toEqual(["bytes=999000-"]);
  expect((await download(server, { offsetBytes: size })).length).toBe(0);
  expect(blobRequests(server).length).toBe(1);
});

test("a connection that stalls is given up and tried again from there", async () => {
  let count = 0;
  await using server = await blobServer((request, response) => {
    if (++count > 1) return serve(request, response);
    response.writeHead(200, { "Content-Length": size });
    response.write(bytes.subarray(0, 200_000)); // and then nothing
  });
  const startedAt = performance.now();
  expect(await download(server)).toEqual(Buffer.from(bytes));
  expect(performance.now() - startedAt).toBeGreaterThan(290);
  expect(blobRequests(server)).toEqual([undefined, "bytes=200000-"]);
});

test("a registry that is started again in the middle of a download is waited for", async () => {
  const handler = (request: IncomingMessage, response: ServerResponse): void =>
    request.url === "/v2/" ? void response.end() : serve(request, response);
  const first = await blobServer((_request, response) => {
    response.writeHead(200, { "Content-Length": size });
    response.write(bytes.subarray(0, 300_000));
  });
  const port = Number(first.host.split(":")[1]);
  const registries = testRegistries({ retryDelayMs: 100 });
  const pieces: Uint8Array[] = [];
  let [length, second] = [0, undefined as Promise<ScriptedServer> | undefined];
  for await (const piece of registries.repository(named(first.host)).blob(descriptor)) {
    pieces.push(piece);
    length += piece.length;
    if (length < 300_000 || second !== undefined) continue;
    await first[Symbol.asyncDispose]();
    second = Bun.sleep(150).then(() => scriptedServer(handler, { port })); // the time it is away
  }
  await using again = await (second ?? Promise.reject(new Error("it was never away")));
  expect(Buffer.concat(pieces)).toEqual(Buffer.from(bytes));
  expect(blobRequests(again)).toEqual(["bytes=300000-"]);
});

test("a blob that lies on another host comes from there without rights, also after a cut", async () => {
  let cut = false;
  await using store = await scriptedServer((request, response) => {
    if (cut) return serve(request, response);
    cut = true;
    response.writeHead(200, { "Content-Length": size });
    response.write(bytes.subarray(0, 250_000), () => setTimeout(() => response.socket?.destroy(), 30));
  });
  await using server = await blobServer((request, response) => {
    if (request.headers.authorization === undefined)
      return refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": "Basic realm=x" });
    response.writeHead(307, { Location: `${store.origin}/signed?once=${store.seen.length}` }).end();
  });
  const credentials = { username: "joe", password: "secret" };
  const repository = testRegistries().repository(named(server.host), { credentials });
  expect(await collect(repository.blob(descriptor))).toEqual(Buffer.from(bytes));
  // each time by a fresh address of the registry
  expect(store.seen.map(({ url, headers }) => [url, headers.range])).toEqual([
    ["/signed?once=0", undefined],
    ["/signed?once=1", "bytes=250000-"],
  ]);
  expect(JSON.stringify(store.seen)).not.toContain("uthorization");
});

test("a slow reader is no stall", async () => {
  await using server = await blobServer(serve);
  let length = 0;
  for await (const piece of repository(server).blob(descriptor)) {
    if (length === 0) await Bun.sleep(400); // longer than the stall limit
    length += piece.length;
  }
  expect(length).toBe(size);
  expect(blobRequests(server).length).toBe(1);
});

test("5xx and 429 are tried again, with the pause that Retry-After asks for; they end in the registry's words", async () => {
  let count = 0;
  await using server = await blobServer((request, response) => {
    count++;
    if (count === 1) response.writeHead(502).end("<html>bad gateway");
    else if (count === 2) refuse(response, 429, "TOOMANYREQUESTS", { "Retry-After": "1" });
    else serve(request, response);
  });
  const startedAt = performance.now();
  expect(await download(server)).toEqual(Buffer.from(bytes));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);

  await using down = await blobServer((_request, response) => void response.writeHead(503).end());
  const error = await failure(download(down));
  expect(error.kind).toBe("unavailable");
  expect(error.message).toBe("received unexpected HTTP status: 503 Service Unavailable");
  expect(blobRequests(down).length).toBe(5);
});

test("a server that knows no ranges is read again from its start, and what is here already is passed over", async () => {
  let count = 0;
  await using server = await blobServer((_request, response) => {
    response.writeHead(200, { "Content-Length": size });
    response.write(bytes.subarray(0, ++count === 1 ? 400_000 : size), () => {
      if (count === 1) response.socket?.destroy();
      else response.end();
    });
  });
  expect(await download(server)).toEqual(Buffer.from(bytes));
});

const lies: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  "another range than was asked for": (_request, response) =>
    void response
      .writeHead(206, { "Content-Range": `bytes 5-${size - 1}/${size}`, "Content-Length": size - 5 })
      .end(bytes.subarray(5)),
  "a range without a head for it": (_request, response) => void response.writeHead(206).end(bytes),
  "a range of something larger": (_request, response) =>
    void response.writeHead(206, { "Content-Range": `bytes 500-${size - 1}/${size * 2}` }).end(bytes.subarray(500)),
  "a range whose length is another": (_request, response) =>
    void response
      .writeHead(206, { "Content-Range": `bytes 500-${size - 1}/${size}`, "Content-Length": 7 })
      .end("1234567"),
  "a longer blob": (_request, response) =>
    void response.writeHead(200, { "Content-Length": size + 1 }).end(Buffer.concat([bytes, Buffer.from("x")])),
  "a longer blob without its length": (_request, response) => {
    response.writeHead(200);
    response.end(Buffer.concat([bytes, Buffer.from("x")]));
  },
  "a shorter blob": (_request, response) =>
    void response.writeHead(200, { "Content-Length": 10 }).end(bytes.subarray(0, 10)),
  "that there is no such range": (_request, response) => void response.writeHead(416).end(),
  "a status of its own": (_request, response) => void response.writeHead(299).end(),
};
for (const [what, lie] of Object.entries(lies))
  test(`a registry that gives ${what} is refused at once, and what came is no more than was announced`, async () => {
    await using server = await blobServer(lie);
    let length = 0;
    const reading = (async () => {
      for await (const piece of repository(server).blob(descriptor, { offsetBytes: 500 })) length += piece.length;
    })();
    const error = await failure(reading);
    expect(error.kind).toBe("invalid");
    expect(error.message).toContain(descriptor.digest);
    expect(length).toBeLessThanOrEqual(size - 500);
    expect(blobRequests(server).length).toBe(1);
  });

test("a blob that ends early without a length is a cut, and five cuts without progress are the end", async () => {
  await using server = await blobServer((request, response) => {
    response.writeHead(offsetOf(request) > 0 ? 206 : 200, {
      ...(offsetOf(request) > 0 && { "Content-Range": `bytes ${offsetOf(request)}-${size - 1}/${size}` }),
      "Transfer-Encoding": "chunked",
    });
    response.end(bytes.subarray(offsetOf(request), offsetOf(request) + 10));
  });
  const error = await failure(download(server));
  expect(error.kind).toBe("unavailable");
  expect(error.message).toBe("unexpected EOF");
  expect(blobRequests(server)).toEqual([undefined, "bytes=10-", "bytes=20-", "bytes=30-", "bytes=40-"]);
});

test("a server that gives crumbs is given up", async () => {
  await using server = await blobServer((request, response) => {
    const offset = offsetOf(request);
    const range = `bytes ${offset}-${offset}/${size}`;
    response.writeHead(206, { "Content-Length": 1, "Content-Range": range }).end(bytes.subarray(offset, offset + 1));
  });
  expect((await failure(download(server, { offsetBytes: 7 }))).message).toBe("the registry gives the blob in crumbs");
  expect(blobRequests(server)).toEqual(["bytes=7-", "bytes=8-", "bytes=9-", "bytes=10-", "bytes=11-"]);
});

test("a server that gives parts of its own size is asked until all is here", async () => {
  await using server = await blobServer((request, response) => {
    const [offset, end] = [offsetOf(request), Math.min(size, offsetOf(request) + 300_000)];
    const range = `bytes ${offset}-${end - 1}/${size}`;
    response
      .writeHead(206, { "Content-Length": end - offset, "Content-Range": range })
      .end(bytes.subarray(offset, end));
  });
  expect(await download(server, { offsetBytes: 1 })).toEqual(Buffer.from(bytes.subarray(1)));
  expect(blobRequests(server).length).toBe(4);
});

test("a blob that is missing or denied is told at once", async () => {
  await using server = await blobServer((_request, response) => refuse(response, 404, "BLOB_UNKNOWN"));
  const error = await failure(download(server));
  expect([error.kind, error.message]).toEqual(["not-found", "blob unknown: blob unknown"]);
  expect(blobRequests(server).length).toBe(1);
});

test("cancelling ends a download at once, waiting or flowing", async () => {
  await using server = await blobServer((_request, response) => {
    response.writeHead(200, { "Content-Length": size });
    response.write(bytes.subarray(0, 100));
  });
  const registries = testRegistries({ stallMs: 60_000, maxDownloads: 1 });
  const stop = new AbortController();
  const flowing = collect(registries.repository(named(server.host)).blob(descriptor, { signal: stop.signal }));
  const waiting = collect(registries.repository(named(server.host)).blob(descriptor, { signal: stop.signal }));
  setTimeout(() => stop.abort(), 50);
  expect((await failure(flowing)).kind).toBe("cancelled");
  expect((await failure(waiting)).kind).toBe("cancelled");
});

test("no more downloads run at a time than are set, and one that its reader leaves gives its place back", async () => {
  let [open, most] = [0, 0];
  await using server = await blobServer((request, response) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      serve(request, response);
    }, 30);
  });
  const registries = testRegistries({ maxDownloads: 2 });
  const all = Array.from({ length: 6 }, () => collect(registries.repository(named(server.host)).blob(descriptor)));
  for (const piece of await Promise.all(all)) expect(piece.length).toBe(size);
  expect(most).toBe(2);
  for (let left = 0; left < 4; left++)
    for await (const _ of registries.repository(named(server.host)).blob(descriptor)) break;
  expect((await collect(registries.repository(named(server.host)).blob(descriptor))).length).toBe(size);
});
