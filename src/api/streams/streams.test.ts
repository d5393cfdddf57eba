import { expect, test } from "bun:test";
import net from "node:net";
import { connectEngine } from "../../client/connect.ts";
import type { LogRecord } from "../../logs/driver.ts";
import { fakeContainer, fakeDeps, raw, testServer } from "../fixtures/fake-deps.ts";
import { frameRecords } from "./log-frames.ts";

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n${more}\r\n`;
const record = (line: string, stream: "stdout" | "stderr" = "stdout"): LogRecord => ({
  stream,
  timeNs: 1_795_236_673_000_001_000n,
  line: Buffer.from(line),
  attributes: { b: "x y", a: "1" },
});

test("frameRecords() writes a frame per record, with time and details where asked", () => {
  const framed = Buffer.from(
    frameRecords([record("one\n"), record("two\n", "stderr")], { tty: false, timestamps: false, details: false }),
  );
  expect(framed.toString("latin1")).toBe("\u0001\0\0\0\0\0\0\u0004one\n\u0002\0\0\0\0\0\0\u0004two\n");
  const full = Buffer.from(frameRecords([record("one\n")], { tty: true, timestamps: true, details: true }));
  expect(full.toString()).toBe("2026-11-21T04:51:13.000001000Z a=1,b=x+y one\n");
});

test("logs need a stream, give Docker's types, and pass a slow reader's pace on", async () => {
  const lines = Array.from({ length: 100 }, () => record("x".repeat(9_999) + "\n"));
  const { deps, fake } = fakeDeps({ records: [lines] });
  await using server = await testServer(deps);
  expect(await raw(server.path, get("/containers/web/logs"))).toContain(
    "Bad parameters: you must choose at least one stream",
  );
  expect(await raw(server.path, get("/v1.51/containers/web/logs?stdout=1"))).toContain(
    "Content-Type: application/vnd.docker.multiplexed-stream\r\n",
  );
  expect(await raw(server.path, get("/v1.41/containers/web/logs?stdout=1&since=1700000000.000000001"))).toContain(
    "Content-Type: application/vnd.docker.raw-stream\r\n",
  );
  expect(await raw(server.path, get("/containers/web/logs?stdout=1&since=never"))).toContain("HTTP/1.1 400");

  let given = 0;
  deps.containers.logs = async function* () {
    for (; given < 1000; given++) yield lines;
  };
  const socket = net.connect(server.path);
  socket.write(get("/containers/web/logs?stdout=1&follow=1"));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  let before = -1;
  while (before !== given) {
    before = given;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(given).toBeLessThan(20);
  socket.destroy();
  expect(fake.list).toHaveLength(1);
});

test("a log that fails half-way is cut, so that the client sees it is not whole", async () => {
  const { deps } = fakeDeps();
  deps.containers.logs = async function* () {
    yield [record("one\n")];
    await new Promise((resolve) => setTimeout(resolve, 60));
    throw new Error("disk gone");
  };
  await using server = await testServer(deps);
  const answer = await raw(server.path, get("/containers/web/logs?stdout=1"));
  expect(answer).toContain("one\n");
  expect(answer).not.toEndWith("0\r\n\r\n");
});

test("events have Docker's shape, exact nanoseconds, and obey since, until and filters", async () => {
  const { deps } = fakeDeps();
  await using server = await testServer(deps);
  const publish = (action: string, type: "container" | "network" = "container"): void =>
    deps.events.publish({
      type,
      action,
      id: "1b84b4",
      attributes: { name: "web", image: "busybox", app: "x" },
      caller: { via: "engine" },
    });
  publish("create");
  publish("start");
  const kept = await raw(server.path, get("/events?since=0&until=1795236674"));
  expect(kept).toContain(
    '{"status":"create","id":"1b84b4","from":"busybox","Type":"container","Action":"create","Actor":{"ID":"1b84b4","Attributes":{"app":"x","image":"busybox","name":"web"}},"scope":"local","time":1795236673,"timeNano":1795236673041481052,"Caller":{"Via":"engine"}}\n',
  );
  expect(kept).toContain('"Action":"start"');
  expect(await raw(server.path, get("/events?since=2000000000&until=1"))).toContain(
    "`since` time cannot be after `until` time",
  );

  const live = raw(
    server.path,
    `GET /events?filters=${encodeURIComponent('{"event":["die"],"container":["we"]}')} HTTP/1.1\r\nHost: d\r\n\r\n`,
    { until: '"die"' },
  );
  while (deps.events.listeners === 0) await new Promise(setImmediate);
  publish("kill");
  publish("die", "network");
  publish("die");
  const text = await live;
  expect(text.match(/"Action"/g)).toHaveLength(1);
  expect(text).not.toContain('"from":"busybox","Type":"network"');
  while (deps.events.listeners > 0) await new Promise(setImmediate); // the client is gone
});

test("our client streams up and down and takes an old daemon's version", async () => {
  const { deps, fake } = fakeDeps({ records: [[record("one\n")]] });
  await using server = await testServer(deps);
  const engine = connectEngine(`unix://${server.path}`, { version: "1.41" });
  const { body } = await engine.stream("ContainerLogs", { id: "web", stdout: true });
  expect(Buffer.concat(await body.toArray()).toString("latin1")).toBe("\u0001\0\0\0\0\0\0\u0004one\n");
  const { Readable } = await import("node:stream");
  const up = await engine.stream(
    "PutContainerArchive",
    { id: "web", path: "/" },
    { upload: Readable.from([Buffer.alloc(1_000_000), "tail"]) },
  );
  await up.body.toArray();
  expect(fake.calls).toEqual([["archive", 1_000_004]]);
  engine.close();

  const old = net.createServer((socket) => {
    socket.on("data", (chunk: Buffer) => {
      const newest = chunk.toString().includes("/v1.51/");
      const text = newest
        ? '{"message":"client version 1.51 is too new. Maximum supported API version is 1.41"}'
        : '{"ApiVersion":"1.41"}';
      socket.write(
        `HTTP/1.1 ${newest ? "400 Bad Request" : "200 OK"}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
    });
  });
  await new Promise<void>((resolve) => old.listen(`${server.path}.old`, resolve));
  const older = connectEngine(`unix://${server.path}.old`);
  expect(await older.call("SystemVersion", {})).toEqual({ ApiVersion: "1.41" } as never);
  older.close();
  old.close();
});

test("an upload that nobody reads stops instead of filling memory", async () => {
  const { deps, fake } = fakeDeps();
  await using server = await testServer(deps);
  const socket = net.connect(server.path);
  socket.write("PUT /containers/web/archive?path=/stalled HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000000\r\n\r\n");
  const piece = Buffer.alloc(1024 * 1024);
  let sent = 0;
  const begin = process.memoryUsage.rss();
  for (let stalled = false; !stalled && sent < 500; sent++) {
    stalled = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(true), 300);
      socket.write(piece, () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  }
  expect(sent).toBeLessThan(10);
  expect(process.memoryUsage.rss() - begin).toBeLessThan(100 * 1024 * 1024);
  socket.destroy();
  fake.exit.resolve({ exitCode: 0 });
});

test("stats come as a stream, as one sample, and zeroed for a stopped container", async () => {
  const sample = {
    readAtNs: 1n,
    cgroupVersion: 1 as const,
    cpu: {
      totalNs: 1,
      kernelNs: 0,
      userNs: 1,
      perCpuNs: [1, 0],
      systemNs: 10,
      onlineCpus: 2,
      periods: 0,
      throttledPeriods: 0,
      throttledNs: 0,
    },
    memory: { usage: 5, maxUsage: 6, limit: 2 ** 60, failures: 0, stats: { cache: 1 } },
    blkio: { serviceBytes: [], serviced: [] },
    pids: { current: 1, limit: 0 },
    networks: {},
  };
  const { deps } = fakeDeps({
    list: [fakeContainer(), fakeContainer({ name: "off", state: { status: "exited", pid: 0 } })],
  });
  let total = 0;
  deps.containers.stats = async () => ({ ...sample, cpu: { ...sample.cpu, totalNs: ++total } });
  await using server = await testServer(deps);
  const engine = connectEngine(`unix://${server.path}`);
  const two = await engine.call("ContainerStats", { id: "web", stream: false });
  expect(two.precpu_stats?.cpu_usage?.total_usage).toBe(1);
  expect(two.cpu_stats?.cpu_usage?.total_usage).toBe(2);
  expect(two.memory_stats?.limit).toBe(deps.system.memoryBytes);
  const off = await engine.call("ContainerStats", { id: "off", stream: false });
  expect(off.memory_stats).toEqual({});
  const stream = await raw(server.path, get("/containers/web/stats"), { until: '"preread":"1970' });
  expect(stream.match(/"read"/g)).toHaveLength(2);
  engine.close();
});
