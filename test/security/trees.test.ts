import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-sec-");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

test("a container that puts a disk's node in a file's place while it is committed or copied is given none of the disk", async () => {
  // a disk of ours, with a word on it that no layer may hold
  await run(["sh", "-c", `yes BERTH-DISK-CANARY | head -c 4000000 > ${folder}/disk`]);
  const loop = (await run(["losetup", "--show", "-f", `${folder}/disk`])).stdout.trim();
  expect(loop).toMatch(/^\/dev\/loop\d+$/);
  try {
    const minor = loop.slice("/dev/loop".length);
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "swapper",
      "busybox",
      "sh",
      "-c",
      `cd /root; dd if=/dev/zero of=file bs=1M count=4 2>/dev/null; mknod node b 7 ${minor}; while :; do mv file a; mv node file; mv file node; mv a file; done`,
    );
    let committed = 0;
    for (let round = 0; round < 8; round++) {
      const made = await daemon.docker(["commit", "--pause=false", "swapper", "swapped"]);
      committed += made.status === 0 ? 1 : 0;
      const seen = await run(
        [
          "sh",
          "-c",
          "{ docker save swapped; docker cp swapper:/root -; } | grep -c BERTH-DISK-CANARY; docker rmi -f swapped",
        ],
        { env: { DOCKER_HOST: `unix://${daemon.socket}` } },
      );
      expect(seen.stdout.split("\n")[0]).toBe("0");
    }
    expect(committed).toBeGreaterThan(0);
  } finally {
    await daemon.docker(["rm", "-f", "swapper"]);
    await run(["losetup", "-d", loop]);
  }
}, 120_000);
