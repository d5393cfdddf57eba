import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { descriptors, leftovers, resident } from "../harness/leftovers.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 120_000);

/** Does the work so many times, six at a time. */
async function times(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

async function api(method: string, path: string, body?: unknown): Promise<Response> {
  const answer = await daemon.request(method, `/v1.51${path}`, body);
  if (!answer.ok) throw new Error(`${method} ${path} -> ${answer.status}: ${await answer.text()}`);
  return answer;
}

const create = async (body: Record<string, unknown>): Promise<string> =>
  ((await (await api("POST", "/containers/create", { Image: "busybox", ...body })).json()) as { Id: string }).Id;

async function runOnce(): Promise<void> {
  const id = await create({ Cmd: ["echo", "x"], HostConfig: { AutoRemove: true, PortBindings: { "80/tcp": [{}] } } });
  const gone = api("POST", `/containers/${id}/wait?condition=removed`).then((answer) => answer.json());
  await api("POST", `/containers/${id}/start`);
  expect(await gone).toMatchObject({ StatusCode: 0 });
}

async function execOnce(id: string): Promise<void> {
  const { Id } = (await (
    await api("POST", `/containers/${id}/exec`, { Cmd: ["echo", "x"], AttachStdout: true, AttachStderr: true })
  ).json()) as { Id: string };
  expect(await (await api("POST", `/exec/${Id}/start`, {})).text()).toContain("x");
}

/** Opens a stream, reads its first bytes, and is gone. */
async function cutOff(method: string, path: string): Promise<void> {
  const gone = new AbortController();
  const answer = await fetch(`http://d/v1.51${path}`, { method, unix: daemon.socket, signal: gone.signal });
  expect(answer.ok).toBe(true);
  const reader = answer.body?.getReader();
  expect((await reader?.read())?.value?.length).toBeGreaterThan(0);
  gone.abort();
}

async function failedStart(): Promise<void> {
  const id = await create({ Cmd: ["/nope"], HostConfig: { PortBindings: { "80/tcp": [{}] } } });
  expect((await daemon.request("POST", `/v1.51/containers/${id}/start`)).status).toBe(400);
  await api("DELETE", `/containers/${id}`);
}

/** Everything below the exec root: bundles, FIFOs, sockets, namespaces, the runtimes' own state. */
const files = async (): Promise<string[]> =>
  (await readdir(daemon.execRoot, { recursive: true })).filter((path) => !path.startsWith("monitor/c")).sort();

test("nothing grows: runs, execs, clients that leave, failed starts", async () => {
  const clean = await leftovers(daemon);
  const id = await create({ Cmd: ["sh", "-c", "while :; do echo tick; sleep 0.02; done"] });
  await api("POST", `/containers/${id}/start`);
  const all = async (share: number): Promise<void> => {
    await times(300 * share, runOnce);
    await times(300 * share, () => execOnce(id));
    await times(200 * share, () => cutOff("POST", `/containers/${id}/attach?stream=1&stdout=1&stderr=1`));
    await times(100 * share, () => cutOff("GET", `/containers/${id}/logs?follow=1&stdout=1`));
    await times(50 * share, failedStart);
  };
  const look = async () => {
    const pids = { daemon: daemon.pid(), monitor: await daemon.monitorPid() };
    return {
      fds: { daemon: await descriptors(pids.daemon), monitor: await descriptors(pids.monitor) },
      bytes: { daemon: await resident(pids.daemon), monitor: await resident(pids.monitor) },
      threads: {
        daemon: (await readdir(`/proc/${pids.daemon}/task`)).length,
        monitor: (await readdir(`/proc/${pids.monitor}/task`)).length,
      },
    };
  };
  await all(0.1); // caches and pools are filled
  await until("it is quiet", async () => (await readdir(join(daemon.execRoot, "c"))).length === 1);
  const before = await look();
  const filesBefore = await files();
  await all(1);
  let after = await look();
  await until("descriptors are back", async () => {
    after = await look();
    return after.fds.daemon <= before.fds.daemon + 8 && after.fds.monitor <= before.fds.monitor + 2;
  }).catch(() => expect(after.fds).toEqual(before.fds));
  await until("files are back", async () => (await files()).length <= filesBefore.length).catch(async () =>
    expect(await files()).toEqual(filesBefore),
  );
  expect(after.threads.daemon).toBeLessThanOrEqual(before.threads.daemon + 4);
  expect(after.threads.monitor).toBeLessThanOrEqual(before.threads.monitor + 4);
  // 950 operations: what a leak of 50 kB in each would cost; the collector keeps some of it anyway
  expect((after.bytes.daemon - before.bytes.daemon) / 1e6).toBeLessThan(50);
  expect((after.bytes.monitor - before.bytes.monitor) / 1e6).toBeLessThan(30);
  await api("DELETE", `/containers/${id}?force=1`);
  await until("nothing is left", async () => JSON.stringify(await leftovers(daemon)) === JSON.stringify(clean)).catch(
    async () => {
      expect(await leftovers(daemon)).toEqual(clean);
    },
  );
  console.log(JSON.stringify({ before, after }));
}, 120_000);
