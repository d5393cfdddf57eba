import { afterAll, beforeAll, expect, test } from "bun:test";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { leftovers } from "../harness/leftovers.ts";
import { until } from "../harness/run.ts";

const seconds = Number(process.env["BERTH_CHURN_SECONDS"] ?? 20);
const seed = Number(process.env["BERTH_CHURN_SEED"] ?? Date.now() % 1_000_000_007);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 120_000);

/** mulberry32: the same numbers for the same seed. */
function numbers(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Step {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

const programs = [["true"], ["sleep", "600"], ["sh", "-c", "sleep 0.05; exit 3"], ["/nope"]];
const names = ["a", "b", "c"];

function chooseStep(pick: (below: number) => number): Step {
  const of = <T>(list: readonly T[]): T => list[pick(list.length)] as T;
  const name = `churn-${of(names)}`;
  const container = (verb: string, method = "POST"): Step => ({ method, path: `/containers/${name}${verb}` });
  const hostConfig = of([
    {},
    { AutoRemove: true },
    { RestartPolicy: { Name: "always" } },
    { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } },
    { PortBindings: { "80/tcp": [{}] } },
    { NetworkMode: "none" },
  ]);
  return of<() => Step>([
    () => ({
      method: "POST",
      path: `/containers/create?name=${name}`,
      body: { Image: "busybox", Cmd: of(programs), HostConfig: hostConfig, Volumes: of([{}, { "/anonymous": {} }]) },
    }),
    () => ({
      method: "POST",
      path: `/containers/create?name=${name}`,
      body: { Image: "busybox", Cmd: ["sleep", "600"] },
    }),
    () => container("/start"),
    () => container("/start"),
    () => container(`/stop?t=${pick(2)}`),
    () => container(`/restart?t=${pick(2)}`),
    () => container(`/kill?signal=${of(["KILL", "TERM", "USR1"])}`),
    () => container("/pause"),
    () => container("/unpause"),
    () => container("/update", "POST"),
    () => container("?force=1&v=1", "DELETE"),
    () => container("?v=1", "DELETE"),
    () => container(`/rename?name=churn-${of(names)}`),
    () => container("/json", "GET"),
    () => container("/archive?path=/etc", "GET"),
    () => container("/top", "GET"),
    () => container("/logs?stdout=1", "GET"),
    () => ({ method: "POST", path: "/networks/churned/connect", body: { Container: name } }),
    () => ({ method: "POST", path: "/networks/churned/disconnect", body: { Container: name, Force: pick(2) === 1 } }),
    () => ({ method: "GET", path: "/containers/json?all=1" }),
    () => ({ method: "POST", path: "/containers/prune" }),
    () => container("/exec"),
  ])();
}

/** 500 is Docker's own answer to these. */
const expected500 = [
  /is not paused/i,
  /is not connected to network/,
  /failed to start container: OCI runtime/,
  /container .* is not running/,
];

async function walk(pick: (below: number) => number, untilMs: number, troubles: string[]): Promise<number> {
  let steps = 0;
  while (Date.now() < untilMs) {
    steps++;
    const step = chooseStep(pick);
    const body = step.path.endsWith("/update")
      ? { Memory: (32 + pick(64)) << 20, MemorySwap: -1 }
      : step.path.endsWith("/exec")
        ? { Cmd: ["echo", "in"], AttachStdout: true }
        : step.body;
    const answer = await daemon.request(step.method, `/v1.51${step.path}`, body);
    // a copy holds no lock: one whose container is removed meanwhile is cut, so that its client sees that it is not whole
    const mayBeCut = step.method === "GET" && step.path.includes("/archive");
    const text = await (mayBeCut ? answer.text().catch(() => "") : answer.text());
    if (answer.status >= 500 && !expected500.some((pattern) => pattern.test(text)))
      troubles.push(`${step.method} ${step.path} -> ${answer.status} ${text}`);
    if (!step.path.endsWith("/exec") || answer.status !== 201) continue;
    const started = await daemon.request("POST", `/v1.51/exec/${(JSON.parse(text) as { Id: string }).Id}/start`, {});
    const said = await started.text();
    if (started.status >= 500 && !expected500.some((pattern) => pattern.test(said)))
      troubles.push(`exec start -> ${started.status} ${said}`);
  }
  return steps;
}

test(`eight clients quarrel over three names (BERTH_CHURN_SEED=${seed})`, async () => {
  await daemon.ok("network", "create", "churned");
  const clean = await leftovers(daemon);
  const monitor = await daemon.monitorPid();
  expect(await quarrel(seconds)).toEqual([]);
  expect((await daemon.request("GET", "/_ping")).status).toBe(200);
  expect(await daemon.monitorPid()).toBe(monitor);
  await allGo(clean);
}, 120_000);

test(`the same while the monitor is killed again and again (BERTH_CHURN_SEED=${seed})`, async () => {
  const clean = await leftovers(daemon);
  let over = false;
  let deaths = 0;
  const killing = (async () => {
    for (let last = 0; !over; deaths++) {
      last = await until("there is another monitor", async () => {
        const pid = await daemon.monitorPid().catch(() => last);
        return pid === last ? 0 : pid;
      });
      await until(
        "it has served a while",
        async () => over || (await daemon.request("GET", "/_ping").then(() => Math.random() < 0.01)),
      );
      process.kill(last, "SIGKILL");
    }
  })();
  const troubles = await quarrel(seconds / 2);
  over = true;
  await killing;
  expect(troubles.filter((text) => !/monitor|attach/.test(text))).toEqual([]);
  expect(deaths).toBeGreaterThan(1);
  await until("the daemon serves", async () => (await daemon.docker(["run", "--rm", "busybox", "true"])).status === 0);
  await allGo(clean);
}, 120_000);

/** What should not have been answered, each once. */
async function quarrel(forSeconds: number): Promise<string[]> {
  const troubles: string[] = [];
  const end = Date.now() + forSeconds * 1000;
  const steps = await Promise.all(Array.from({ length: 8 }, (_, n) => walk(numbers(seed + n), end, troubles)));
  console.log(`seed ${seed}: ${steps.reduce((sum, count) => sum + count, 0)} steps`);
  return [...new Set(troubles.map((text) => text.replace(/[0-9a-f]{64}/g, "ID")))];
}

/** Whatever state they are in, all containers can be removed and leave nothing. */
async function allGo(clean: unknown): Promise<void> {
  for (const id of (await daemon.ok("ps", "-aq", "--no-trunc")).split("\n").filter(Boolean)) {
    const gone = await daemon.docker(["rm", "-f", "-v", id]);
    if (gone.status !== 0) expect(gone.stderr).toMatch(/already in progress|No such container/);
  }
  await until("all are gone", async () => (await daemon.ok("ps", "-aq")) === "");
  await daemon.ok("volume", "prune", "-f"); // a prune of containers keeps their volumes, as Docker's does
  await until(
    "nothing is left",
    async () => JSON.stringify(await leftovers(daemon)) === JSON.stringify(clean),
    20_000,
  ).catch(async () => {
    expect(await leftovers(daemon)).toEqual(clean as never);
  });
}
