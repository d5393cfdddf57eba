import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { descriptors, resident } from "../harness/leftovers.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

/** A request whose connection the daemon takes over; gives the socket once the answer's head is there. */
async function hijack(path: string, body = "{}"): Promise<Socket> {
  const socket = connect(daemon.socket);
  socket.on("error", () => undefined);
  const answered = Promise.withResolvers<void>();
  socket.once("data", () => {
    socket.pause();
    answered.resolve();
  });
  socket.once("close", () => answered.resolve());
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await answered.promise;
  return socket;
}

async function exec(container: string, ...words: string[]): Promise<string> {
  const reply = await daemon.request("POST", `/v1.51/containers/${container}/exec`, {
    Cmd: words,
    AttachStdout: true,
    AttachStdin: true,
    Tty: words[0] === "sh",
  });
  return ((await reply.json()) as { Id: string }).Id;
}

/** Everything a client can do badly, once. */
async function misuse(): Promise<void> {
  // runs to its end, read to its end
  const done = await hijack(`/v1.51/exec/${await exec("busy", "echo", "x")}/start`);
  await new Promise((resolve) => done.once("close", resolve).resume());
  // a writer whose reader never reads, and goes
  const slow = await hijack(`/v1.51/exec/${await exec("busy", "timeout", "1", "yes")}/start`);
  slow.destroy();
  // a terminal, resized and left
  const id = await exec("busy", "sh", "-c", "sleep 0.05");
  const terminal = await hijack(`/v1.51/exec/${id}/start`, '{"Tty":true}');
  for (const size of ["h=10&w=20", "h=99999999&w=99999999", "h=-1&w=0", "h=x&w=y"])
    await (await daemon.request("POST", `/v1.51/exec/${id}/resize?${size}`)).text();
  terminal.destroy();
  // one that is made and never started, and one that cannot start
  await exec("busy", "true");
  (await hijack(`/v1.51/exec/${await exec("busy", "/nope")}/start`)).destroy();
  // attached to a container that talks without end, without reading
  (await hijack("/v1.51/containers/busy/attach?stream=1&stdout=1&stdin=1&logs=1")).destroy();
  // half a request
  const half = connect(daemon.socket);
  half.on("error", () => undefined);
  half.write(
    "POST /v1.51/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  half.destroy();
  // follows that are left
  (await hijack("/v1.51/events")).destroy();
}

test("hundreds of badly used execs, attaches and resizes leave no descriptor, process or memory behind", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "busy",
    "-i",
    "busybox",
    "sh",
    "-c",
    "while :; do echo line; sleep 0.01; done",
  );
  const pids = [daemon.pid(), await daemon.monitorPid()];
  const open = async (): Promise<number> =>
    (await Promise.all(pids.map(descriptors))).reduce((sum, count) => sum + count, 0);
  const inside = async (): Promise<number> => (await daemon.ok("top", "busy")).split("\n").length;
  for (let round = 0; round < 10; round++) await misuse();
  await until("the warm-up has ended", async () => (await inside()) <= 3);
  await Bun.sleep(1500); // descriptors of the warm-up's last connections go with their timers
  const before = { open: await open(), memory: await Promise.all(pids.map(resident)) };
  for (let round = 0; round < 40; round++) await Promise.all([misuse(), misuse(), misuse()]);
  await until("every process has ended", async () => (await inside()) <= 3, 30_000);
  await until("every descriptor is closed", async () => (await open()) <= before.open + 4, 30_000).catch(async () =>
    expect(await open()).toBeLessThanOrEqual(before.open + 4),
  );
  const after = await Promise.all(pids.map(resident));
  for (const [at, bytes] of after.entries()) expect(bytes - (before.memory[at] ?? 0)).toBeLessThan(100 << 20);
  await daemon.ok("rm", "-f", "busy");
}, 180_000);
