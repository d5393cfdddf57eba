import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { startDaemon, type TestDaemon } from "../harness/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const json = "Content-Type: application/json\r\n";
const create = (headers: string, body: string, version = "1.1"): string =>
  `POST /v1.51/containers/create HTTP/${version}\r\nHost: d\r\n${headers}\r\n${body}`;
const smuggled = "DELETE /v1.51/containers/victim HTTP/1.1\r\nHost: d\r\n\r\n";
const last = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n";

/** Sends bytes as they are and gives the status codes that come back until the daemon closes. */
async function statuses(text: string, timeoutMs = 3000): Promise<number[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let answer = "";
  const socket = connect(daemon.socket);
  socket.on("data", (piece: Buffer) => (answer += piece.toString("latin1")));
  socket.on("close", () => resolve());
  socket.on("error", () => resolve());
  socket.write(Buffer.from(text, "latin1"));
  const timer = setTimeout(resolve, timeoutMs);
  await promise;
  clearTimeout(timer);
  socket.destroy();
  return [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code]) => Number(code));
}

test.each([
  ["two lengths that are the same", create(`${json}Content-Length: 2\r\nContent-Length: 2\r\n`, "{}")],
  ["two lengths", create(`${json}Content-Length: 0\r\nContent-Length: 2\r\n`, "{}")],
  ["a length and chunks", create(`${json}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, "0\r\n\r\n")],
  ["chunked behind a vertical tab", create(`${json}Transfer-Encoding: \x0bchunked\r\n`, "0\r\n\r\n")],
  ["chunked behind a no-break space", create(`${json}Transfer-Encoding: \xa0chunked\r\n`, "0\r\n\r\n")],
  ["two encodings", create(`${json}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n`, "0\r\n\r\n")],
  ["an encoding before chunked", create(`${json}Transfer-Encoding: gzip, chunked\r\n`, "0\r\n\r\n")],
  ["chunks in HTTP/1.0", create(`${json}Transfer-Encoding: chunked\r\n`, "0\r\n\r\n", "1.0")],
  ["a length with a sign", create(`${json}Content-Length: +2\r\n`, "{}")],
  ["a hexadecimal length", create(`${json}Content-Length: 0x2\r\n`, "{}")],
  ["a negative length", create(`${json}Content-Length: -1\r\n`, "{}")],
  ["an empty length", create(`${json}Content-Length: \r\n`, "{}")],
  ["a length beyond all numbers", create(`${json}Content-Length: 99999999999999999999\r\n`, "{}")],
  ["a blank before the colon", create(`${json}Content-Length : 2\r\n`, "{}")],
  ["a folded header", create(`${json}X: a\r\n Content-Length: 2\r\n`, "{}")],
  ["a bare LF in a header", create(`${json}X: a\nContent-Length: 2\r\n`, "{}")],
  ["a bare CR in a header", create(`${json}X: a\rContent-Length: 2\r\n`, "{}")],
  ["a NUL in a header", create(`${json}X: a\0b\r\nContent-Length: 2\r\n`, "{}")],
  ["no host", "GET /_ping HTTP/1.1\r\n\r\n"],
  ["two hosts", "GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
  ["a control character in the path", "GET /_ping\x01 HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a NUL in the path", "GET /_ping\0 HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a tab for a blank", "GET\t/_ping HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a method in small letters", "get /_ping HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a file as target", "GET file:///etc/passwd HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a tunnel", "CONNECT host:80 HTTP/1.1\r\nHost: d\r\n\r\n"],
  ["a bare LF after a chunk's size", create(`${json}Transfer-Encoding: chunked\r\n`, "2\n{}\r\n0\r\n\r\n")],
  ["a bare LF after a chunk's extension", create(`${json}Transfer-Encoding: chunked\r\n`, "2;\n{}\r\n0\r\n\r\n")],
  ["a chunk without its end", create(`${json}Transfer-Encoding: chunked\r\n`, "2\r\n{}xx\r\n0\r\n\r\n")],
  ["a negative chunk", create(`${json}Transfer-Encoding: chunked\r\n`, "-2\r\n{}\r\n0\r\n\r\n")],
  [
    "a chunk beyond all numbers",
    create(`${json}Transfer-Encoding: chunked\r\n`, "ffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
  ],
  [
    "an endless chunk extension",
    create(`${json}Transfer-Encoding: chunked\r\n`, `2;${"a".repeat(5000)}\r\n{}\r\n0\r\n\r\n`),
  ],
  [
    "a hundred trailers",
    create(`${json}Transfer-Encoding: chunked\r\n`, `2\r\n{}\r\n0\r\n${"a: b\r\n".repeat(100)}\r\n`),
  ],
  ["headers of 400 kB", `GET /_ping HTTP/1.1\r\nHost: d\r\n${`X: ${"a".repeat(1000)}\r\n`.repeat(400)}\r\n`],
])("%s is refused once, and nothing after it on the connection is served", async (_what, text) => {
  const [first, ...more] = await statuses(text + smuggled + last);
  expect(first).toBeGreaterThanOrEqual(400);
  expect(first).toBeLessThanOrEqual(501);
  expect(more).toEqual([]);
});

test("a body that belongs to a request is never the next request", async () => {
  for (const method of ["GET", "HEAD", "POST"]) {
    const text = `${method} /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}${last}`;
    const codes = await statuses(text);
    expect(codes.slice(1)).toEqual([200]); // the last one, not the smuggled one
  }
  expect(await statuses(`GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n${last}`)).toEqual([200, 200]);
});

test("escapes and dots in paths do not make another path of it", async () => {
  for (const path of [
    "/%5fping",
    "/v1%2e51/_ping",
    "//_ping",
    "/v1.51/v1.51/_ping",
    "/v1.51/../_ping",
    "/containers/%zz/json",
    "/_ping#x",
    "/containers/..%2f..%2finfo/json",
  ]) {
    expect(await statuses(`GET ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n`)).toEqual([404]);
  }
});

test("a body of another type than JSON is refused, as pages in browsers can send those (CSRF)", async () => {
  for (const type of [
    "",
    "Content-Type: text/plain\r\n",
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "Content-Type: multipart/form-data\r\n",
  ]) {
    expect(
      await statuses(create(`${type}Connection: close\r\nContent-Length: 20\r\n`, '{"Image": "busybox"}')),
    ).toEqual([400]);
  }
});

test("headers that take long to look through do not stop the others", async () => {
  const begin = performance.now();
  const blanks = `X: a${" ".repeat(120_000)}a\r\nY: ${"\t ".repeat(60_000)}\r\n`;
  const slow = Promise.all(
    Array.from({ length: 8 }, () => statuses(`GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n${blanks}\r\n`)),
  );
  expect(await slow).toEqual(Array.from({ length: 8 }, () => [200]));
  expect(performance.now() - begin).toBeLessThan(3000);
});
