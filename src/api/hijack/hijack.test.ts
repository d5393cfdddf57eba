import { expect, test } from "bun:test";
import net from "node:net";
import { Duplex } from "node:stream";
import { connectEngine } from "../../client/connect.ts";
import type { Exec } from "../../containers/containers.ts";
import { newId } from "../../base/id.ts";
import { echo, failure, fakeContainer, fakeDeps, raw, testServer } from "../fixtures/fake-deps.ts";

const attach = (query: string, headers = "", ref = "web"): string =>
  `POST /containers/${ref}/attach?${query} HTTP/1.1\r\nHost: d\r\n${headers}\r\n`;
const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

function exec(over: Partial<Exec["request"]> = {}, exitCode: number | null = null): Exec {
  return {
    id: newId(),
    containerId: "web",
    running: false,
    exitCode,
    pid: 0,
    request: {
      args: ["cat"],
      env: [],
      user: "",
      workingDir: "",
      tty: false,
      privileged: false,
      attachStdin: true,
      attachStdout: true,
      attachStderr: true,
      detachKeys: "",
      ...over,
    },
  };
}

test("attach with Upgrade answers 101 and the type of its stream by version and TTY", async () => {
  const { deps } = fakeDeps({ list: [fakeContainer(), fakeContainer({ name: "tty", tty: true })] });
  await using server = await testServer(deps);
  const typeOf = async (request: string): Promise<string> =>
    (await raw(server.path, request, { half: true })).replace(/\r\n\r\n.*/s, "");
  expect(await typeOf(attach("stream=1&stdout=1", upgrade))).toBe(
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp",
  );
  expect(await typeOf(attach("stream=1", upgrade).replace("/containers", "/v1.41/containers"))).toContain("raw-stream");
  expect(await typeOf(attach("stream=1", upgrade, "tty"))).toContain("raw-stream");
  expect(await typeOf(attach("stream=1"))).toBe("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream");
});

test("the client's half-close ends stdin only: output that comes later still arrives", async () => {
  let stdin = "";
  const late = Promise.withResolvers<void>();
  const { deps } = fakeDeps({
    attach: () =>
      new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          stdin += chunk;
          done();
        },
        final(done) {
          void late.promise.then(() => {
            this.push("after the end of stdin");
            this.push(null);
          });
          done();
        },
      }),
  });
  await using server = await testServer(deps);
  const answer = raw(server.path, `${attach("stream=1&stdin=1&stdout=1", upgrade)}typed`, { half: true });
  while (stdin !== "typed") await new Promise(setImmediate);
  late.resolve();
  expect(await answer).toEndWith("\r\n\r\nafter the end of stdin");
});

test("a client that is gone for good ends the attachment even while the container is silent", async () => {
  const gone = Promise.withResolvers<void>();
  const { deps, fake } = fakeDeps({
    attach: () =>
      new Duplex({
        allowHalfOpen: true,
        read() {},
        write: (_chunk, _encoding, done) => done(),
        destroy(error, done) {
          gone.resolve();
          done(error);
        },
      }),
  });
  await using server = await testServer(deps);
  const socket = net.connect({ path: server.path, allowHalfOpen: true });
  socket.write(attach("stream=1&stdin=1&stdout=1", upgrade));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.end(); // half-closed first, as docker run without -i
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(fake.calls).toHaveLength(1);
  socket.destroy();
  await gone.promise;
});

test("errors of attach are text on the connection", async () => {
  await using server = await testServer(fakeDeps().deps);
  const missing = await raw(server.path, attach("stream=1", upgrade, "nope"));
  expect(missing).toBe(
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: nope\r\n",
  );
  const keys = await raw(server.path, attach("stream=1&detachKeys=ctrl-!", upgrade));
  expect(keys).toEndWith("Invalid detach keys (ctrl-!) provided\r\n");
});

test("detach keys end a TTY's attachment with an event, and what looked like them is passed on", async () => {
  let stdin = "";
  const { deps, events } = fakeDeps({
    list: [fakeContainer({ tty: true })],
    attach: () => {
      const stream = echo();
      stream.on("data", () => {});
      const write = stream._write.bind(stream);
      stream._write = (chunk: Buffer, encoding, done) => {
        stdin += chunk;
        write(chunk, encoding, done);
      };
      return stream;
    },
  });
  await using server = await testServer(deps);
  await raw(server.path, `${attach("stream=1&stdin=1&stdout=1", upgrade)}a\u0010b\u0010\u0010c\u0010\u0011never`);
  expect(stdin).toBe("a\u0010b\u0010\u0010c");
  expect(events.map(({ action, attributes }) => [action, attributes["name"]])).toEqual([["detach", "web"]]);
});

test("exec start works without Upgrade on a used connection, with stdin after a body that never ends the request", async () => {
  const one = exec();
  const { deps } = fakeDeps({ execs: new Map([["e1", one]]) });
  await using server = await testServer(deps);
  const body = '{"Detach":false}';
  const answer = await raw(
    server.path,
    `GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nPOST /exec/e1/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}hello`,
    { until: "hello" },
  );
  expect(answer).toContain("HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n");
  expect(answer).toEndWith("Content-Type: application/vnd.docker.raw-stream\r\n\r\nhello");
  const chunked = await raw(
    server.path,
    `POST /exec/e1/start HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\nmore`,
    { half: true },
  );
  expect(chunked).toStartWith("HTTP/1.1 101 UPGRADED\r\nApi-Version");
  expect(chunked).toEndWith("\r\n\r\nmore");
});

test("an exec that cannot start is an ordinary error, attached or not", async () => {
  const { deps } = fakeDeps({ execs: new Map([["e1", exec({}, 99)]]) });
  await using server = await testServer(deps);
  const start = (body: string): string =>
    `POST /exec/e1/start HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  for (const body of ["{}", '{"Detach":true}']) {
    const answer = await raw(server.path, start(body), { until: "\n" + "{" });
    expect(answer).toStartWith("HTTP/1.1 409 Conflict\r\n");
  }
});

test("our client hijacks, half-closes and reads to the end", async () => {
  const { deps } = fakeDeps();
  await using server = await testServer(deps);
  const engine = connectEngine(`unix://${server.path}`);
  const { stream, multiplexed } = await engine.hijack("ContainerAttach", {
    id: "web",
    stream: true,
    stdin: true,
    stdout: true,
  });
  expect(multiplexed).toBe(true);
  stream.end("x".repeat(5_000_000));
  let bytes = 0;
  for await (const piece of stream) bytes += (piece as Buffer).length;
  expect(bytes).toBe(5_000_000);
  expect(await failure(engine.hijack("ContainerAttach", { id: "nope" }))).toContain("No such container: nope");
  engine.close();
});

test("a client that does not read stops the container's output instead of filling memory", async () => {
  let pushed = 0;
  const piece = Buffer.alloc(64 * 1024);
  const { deps } = fakeDeps({
    attach: () =>
      new Duplex({
        read() {
          pushed += piece.length;
          this.push(piece);
        },
        write: (_chunk, _encoding, done) => done(),
      }),
  });
  await using server = await testServer(deps);
  const socket = net.connect(server.path);
  socket.write(attach("stream=1&stdout=1", upgrade));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  let before = -1;
  while (before !== pushed) {
    before = pushed;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(pushed).toBeLessThan(8 * 1024 * 1024);
  socket.destroy();
});

test("a WebSocket attachment carries bytes both ways", async () => {
  await using server = await testServer(fakeDeps().deps);
  const proxy = net.createServer((client) =>
    client
      .pipe(net.connect(server.path))
      .pipe(client)
      .on("error", () => {}),
  );
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1.51/containers/web/attach/ws?stream=1&stdin=1&stdout=1`);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const answer = new Promise<ArrayBuffer>((resolve) =>
    socket.addEventListener("message", (event) => resolve(event.data as ArrayBuffer)),
  );
  socket.send(new TextEncoder().encode("hello"));
  expect(Buffer.from(await answer).toString()).toBe("hello");
  socket.close();
  proxy.close();
});
