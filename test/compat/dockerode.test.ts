import { afterAll, beforeAll, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import Docker from "dockerode";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
let docker: Docker;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  docker = new Docker({ socketPath: daemon.socket });
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

/** Both streams of a multiplexed one, once it ends. */
async function split(stream: NodeJS.ReadableStream): Promise<{ stdout: string; stderr: string }> {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  const texts = Promise.all([new Response(out as never).text(), new Response(err as never).text()]);
  stream.on("end", () => {
    out.end();
    err.end();
  });
  const [stdout, stderr] = await texts;
  return { stdout, stderr };
}

test("create, attach with stdin, start, wait, remove", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "cat; echo err >&2; exit 6"],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
  const output = split(stream);
  await container.start();
  stream.write("typed\n");
  stream.end();
  expect(await output).toEqual({ stdout: "typed\n", stderr: "err\n" });
  expect(await container.wait()).toEqual({ StatusCode: 6 });
  await container.remove();
});

test("exec with hijack and without, and its inspect", async () => {
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "600"] });
  await container.start();
  const exec = await container.exec({
    Cmd: ["sh", "-c", "echo out; echo err >&2; exit 5"],
    AttachStdout: true,
    AttachStderr: true,
  });
  expect((await exec.inspect()).ExitCode).toBeNull();
  expect(await split(await exec.start({}))).toEqual({ stdout: "out\n", stderr: "err\n" });
  expect((await exec.inspect()).ExitCode).toBe(5);
  const cat = await container.exec({ Cmd: ["wc", "-c"], AttachStdin: true, AttachStdout: true });
  const stream = await cat.start({ hijack: true, stdin: true });
  const counted = split(stream);
  stream.write("12345");
  stream.end();
  expect((await counted).stdout).toBe("5\n");
  await container.remove({ force: true });
});

test("logs, with and without follow", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "echo one; sleep 0.2; echo two"],
  });
  await container.start();
  const followed = await split(await container.logs({ follow: true, stdout: true, stderr: true }));
  expect(followed.stdout).toBe("one\ntwo\n");
  const all = await container.logs({ stdout: true, stderr: true });
  expect(all.toString("binary")).toBe("\x01\0\0\0\0\0\0\x04one\n\x01\0\0\0\0\0\0\x04two\n");
  await container.remove();
});

test("stats once and as a stream", async () => {
  const container = await docker.createContainer({
    Image: "busybox",
    Cmd: ["sh", "-c", "while :; do :; done"],
    HostConfig: { Memory: 64 << 20 },
  });
  await container.start();
  const once = await container.stats({ stream: false });
  expect(once.memory_stats.limit).toBe(64 << 20);
  expect(once.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(once.precpu_stats.cpu_usage.total_usage);
  expect(Object.keys(once.networks)).toEqual(["eth0"]);
  const stream = await container.stats({ stream: true });
  let seen = 0;
  stream.on("data", () => seen++);
  await until("two samples", () => seen >= 2);
  (stream as unknown as { destroy(): void }).destroy();
  await container.remove({ force: true });
});

test("events come as they happen and carry labels", async () => {
  const stream = await docker.getEvents({ filters: { label: ["watch=me"] } });
  const actions: string[] = [];
  stream.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().split("\n").filter(Boolean))
      actions.push((JSON.parse(line) as { Action: string }).Action);
  });
  const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"], Labels: { watch: "me" } });
  await container.start();
  await container.wait();
  await container.remove();
  await until("the last event", () => actions.includes("destroy"));
  expect(actions).toEqual(["create", "start", "die", "destroy"]);
  (stream as unknown as { destroy(): void }).destroy();
});
