import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  folder = await mkdtemp("/tmp/berth-build-crash-");
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** What steps have only while they run, wherever a crash could leave it. */
function leftovers(): string[] {
  const { execRoot, dataRoot } = daemon;
  return [
    ...readdirSync(join(execRoot, "b")),
    ...readdirSync(join(execRoot, "c")),
    ...readdirSync(join(dataRoot, "build/spool")),
    ...readdirSync(join(dataRoot, "snapshots/overlay/containers")),
    ...readdirSync(join(dataRoot, "snapshots/overlay/tmp")),
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(execRoot) && line.includes("overlay")),
  ];
}

describe("a daemon that is killed in a build leaves nothing behind its next start, and the build goes on", () => {
  for (const point of [
    "build.run.after-prepare",
    "build.step.after-network",
    "build.step.after-create",
    "build.run.before-adopt",
    "snapshot.apply.before-commit",
    "build.step.after-commit",
    "build.step.after-row",
  ])
    test(
      point,
      async () => {
        await writeFile(
          join(folder, "Dockerfile"),
          `FROM busybox\nRUN echo ${point} > /a\nCOPY Dockerfile /d\nRUN test -s /a && echo end > /b\n`,
        );
        await daemon.stop();
        await daemon.start({ BERTH_FAULT: `${point}=kill` });
        expect((await daemon.berth(["build", "-t", "local/crash", folder])).status).not.toBe(0);
        expect(await daemon.ended()).toBe("SIGKILL");
        await daemon.start();
        await until("what the killed build left is gone", () => leftovers().length === 0);
        expect((await daemon.docker(["image", "inspect", "local/crash"])).status).toBe(1);
        expect((await daemon.berth(["build", "-t", "local/crash", folder])).stderr).toContain("DONE");
        expect(await daemon.ok("run", "--rm", "local/crash", "cat", "/a", "/b")).toBe(`${point}\nend`);
        await daemon.ok("rmi", "-f", "local/crash");
      },
      60_000,
    );
});

test("two builds of one thing at a time run each step once, and one that is cancelled harms no other", async () => {
  await writeFile(join(folder, "Dockerfile"), "FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /id\n");
  const builds = await Promise.all(
    ["one", "two", "three"].map((name) => daemon.berth(["build", "-q", "-t", `local/${name}`, folder])),
  );
  expect(builds.map(({ status }) => status)).toEqual([0, 0, 0]);
  expect(new Set(builds.map(({ stdout }) => stdout)).size).toBe(1);

  await writeFile(join(folder, "Dockerfile"), "FROM busybox\nRUN sleep 2; echo kept > /kept\n");
  const first = daemon.berth(["build", "-q", folder]);
  await until("the step runs", () => readdirSync(join(daemon.execRoot, "c")).length === 1);
  const second = daemon.berth(["build", "-q", "-t", "local/kept", folder]);
  const running = async (): Promise<{ Id: string; Status: string }[]> =>
    ((await (await daemon.request("GET", "/berth/builds")).json()) as { Id: string; Status: string }[]).filter(
      ({ Status }) => Status === "running",
    );
  const both = await until("both builds are there", async () => {
    const rows = await running();
    return rows.length === 2 ? rows : undefined;
  });
  await daemon.berth(["builder", "rm", both[1]?.Id ?? ""]);
  expect((await first).status).not.toBe(0);
  expect([(await second).status, await daemon.ok("run", "--rm", "local/kept", "cat", "/kept")]).toEqual([0, "kept"]);
}, 60_000);
