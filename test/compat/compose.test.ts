import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { needsNewerClients, newerClients } from "../harness/newer-clients.ts";
import type { Result } from "../harness/run.ts";

// Compose v2, unchanged, against this engine.
let daemon: TestDaemon;
let folder: string;
const it = newerClients === "" ? test.skip : test;

beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-compose-");
  await importBusybox(daemon);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const compose = (...args: string[]): Promise<Result> =>
  daemon.docker(["compose", "-p", "app", ...args], { cwd: folder, env: { DOCKER_CONFIG: newerClients } });

async function up(text: string, ...args: string[]): Promise<Result> {
  await writeFile(join(folder, "compose.yaml"), text);
  return compose("up", "-d", ...args);
}

const app = `
services:
  web:
    image: busybox
    command: ["sh", "-c", "mkdir -p /www && cp /run/page /www/index.html && exec httpd -f -p 80 -h /www"]
    stop_grace_period: 0s
    ports: ["127.0.0.1::80"]
    configs: [{ source: page, target: /run/page }]
    volumes: ["data:/data"]
    networks: { front: { aliases: [pages] } }
    healthcheck: { test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1/"], interval: 200ms, retries: 20 }
    deploy: { resources: { limits: { memory: 64M, cpus: "0.5" } } }
  reader:
    image: busybox
    command: ["sh", "-c", "cat /run/secrets/word; wget -q -O- http://web/ && wget -q -O- http://pages/ && exec sleep 600"]
    depends_on: { web: { condition: service_healthy } }
    networks: [front]
    secrets: [word]
configs: { page: { content: "from a config\\n" } }
secrets: { word: { file: ./word.txt } }
volumes: { data: {} }
networks: { front: {} }
`;

it(
  needsNewerClients("compose v2 runs an app whose services wait for and find each other, and takes it down"),
  async () => {
    await writeFile(join(folder, "word.txt"), "a secret\n");
    const started = await up(app, "--wait");
    expect([started.status, started.stderr]).toEqual([0, expect.stringContaining("Container app-web-1  Healthy")]);
    const logs = await compose("logs", "--no-log-prefix", "reader");
    expect(logs.stdout).toBe("a secret\nfrom a config\nfrom a config\n");

    const address = (await compose("port", "web", "80")).stdout.trim();
    expect(await (await fetch(`http://${address}/`)).text()).toBe("from a config\n");
    expect((await compose("ps", "--format", "{{.Service}} {{.State}} {{.Health}}")).stdout.split("\n").sort()).toEqual([
      "",
      "reader running ",
      "web running healthy",
    ]);
    expect((await compose("exec", "-T", "web", "sh", "-c", "echo kept > /data/x; cat /run/page")).stdout).toBe(
      "from a config\n",
    );
    expect((await compose("top", "web")).stdout).toContain("httpd -f -p 80");

    // nothing changed: nothing is made anew; a changed service is, and its volume stays
    const id = (await compose("ps", "-q", "web")).stdout;
    expect((await up(app)).status).toBe(0);
    expect((await compose("ps", "-q", "web")).stdout).toBe(id);
    expect((await up(app.replace("memory: 64M", "memory: 48M"))).status).toBe(0);
    expect((await compose("ps", "-q", "web")).stdout).not.toBe(id);
    expect((await compose("exec", "-T", "web", "cat", "/data/x")).stdout).toBe("kept\n");

    const down = await compose("down", "-v", "-t", "1");
    expect([down.status, down.stderr]).toEqual([0, expect.stringContaining("Network app_front  Removed")]);
    for (const list of [
      ["ps", "-aq"],
      ["volume", "ls", "-q"],
      ["network", "ls", "-q", "--filter", "name=app_"],
    ])
      expect(await daemon.ok(...list)).toBe("");
  },
  60_000,
);

it(
  needsNewerClients("compose v2 scales, stops, starts, restarts, runs once, and attaches until the end"),
  async () => {
    const text = `
services:
  job: { image: busybox, command: ["sh", "-c", "echo one; echo two >&2; exit 3"], profiles: [job] }
  idle: { image: busybox, command: ["sleep", "600"], stop_grace_period: 0s }
`;
    expect((await up(text, "--scale", "idle=3")).status).toBe(0);
    expect((await compose("ps", "-q", "idle")).stdout.trim().split("\n")).toHaveLength(3);
    expect((await up(text, "--scale", "idle=1")).status).toBe(0);
    expect((await compose("ps", "-q", "idle")).stdout.trim().split("\n")).toHaveLength(1);
    for (const verb of ["stop", "start", "restart", "pause", "unpause", "kill"])
      expect([verb, (await compose(verb, "idle")).status]).toEqual([verb, 0]);

    const attached = await compose("up", "job", "--no-color", "--no-log-prefix", "--exit-code-from", "job");
    expect(attached.status).toBe(3);
    expect(attached.stdout).toContain("one\n");
    expect(attached.stdout + attached.stderr).toContain("two\n");
    const once = await compose("run", "--rm", "-T", "job", "sh", "-c", "echo $((6 * 7))");
    expect([once.status, once.stdout]).toEqual([0, "42\n"]);

    await writeFile(join(folder, "sent"), "by cp\n");
    expect((await compose("start", "idle")).status).toBe(0);
    expect((await compose("cp", "sent", "idle:/tmp/sent")).status).toBe(0);
    expect((await compose("exec", "-T", "idle", "cat", "/tmp/sent")).stdout).toBe("by cp\n");
    expect((await compose("--profile", "job", "down", "-t", "0")).status).toBe(0);
    expect(await daemon.ok("ps", "-aq")).toBe("");
  },
  60_000,
);
