import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

const sizeMb = 48;
let disk: string;
let daemon: TestDaemon;

beforeAll(async () => {
  // a disk of its own for the data: ext4, as overlay wants one with d_type and extended attributes
  disk = `/tmp/berth-full-${process.pid}`;
  await mkdir(`${disk}/mnt`, { recursive: true });
  await run(["truncate", "-s", `${sizeMb}M`, `${disk}/image`]);
  const made = await run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", `${disk}/image`]);
  expect(made.stderr).toBe("");
  const mounted = await run(["mount", "-o", "loop", `${disk}/image`, `${disk}/mnt`]);
  expect(mounted.stderr).toBe("");
  daemon = await startDaemon({ args: ["--data-root", `${disk}/mnt/data`] });
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await free();
  await daemon[Symbol.asyncDispose]();
  await run(["umount", "-l", `${disk}/mnt`]);
  await rm(disk, { recursive: true, force: true });
}, 60_000);

const data = (...path: string[]): string => join(disk, "mnt/data", ...path);
const ballast = (): string => join(disk, "mnt/ballast");

async function fill(): Promise<void> {
  await run(["dd", "if=/dev/zero", `of=${ballast()}`, "bs=64k"]);
  await run(["dd", "if=/dev/zero", `of=${ballast()}2`, "bs=1k"]);
}
async function free(): Promise<void> {
  await rm(ballast(), { force: true });
  await rm(`${ballast()}2`, { force: true });
}
const alive = async (): Promise<void> => expect(await daemon.ok("version", "-f", "{{.Server.Version}}")).not.toBe("");

test("an image that does not fit is refused with the reason, and leaves nothing", async () => {
  const before = { images: await daemon.ok("images", "-aq"), ingest: await readdir(data("content/ingest")) };
  const big = await run([
    "sh",
    "-c",
    `mkdir -p ${disk}/big && head -c ${sizeMb + 20}000000 /dev/urandom > ${disk}/big/file && tar -C ${disk}/big -cf ${disk}/big.tar .`,
  ]);
  expect(big.status).toBe(0);
  const failed = await daemon.docker(["import", `${disk}/big.tar`, "big"]);
  expect(failed.status).not.toBe(0);
  expect(failed.stderr.toLowerCase()).toMatch(/no space left|enospc/);
  await alive();
  expect(await daemon.ok("images", "-aq")).toBe(before.images);
  expect(await readdir(data("content/ingest"))).toEqual(before.ingest);
  await until(
    "the half-made layer is gone",
    async () => Number((await run(["du", "-sm", data()])).stdout.split("\t")[0]) < 20,
  );
  const loaded = await daemon.docker(["load", "-i", `${disk}/big.tar`]);
  expect(loaded.status).not.toBe(0);
  await alive();
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "fine")).toBe("fine");
});

test("on a full disk the daemon lives, says why, and works again when there is space", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "talker",
    "busybox",
    "sh",
    "-c",
    "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done",
  );
  await daemon.ok("create", "--name", "waiting", "busybox", "true");
  await fill();
  const outcomes = [];
  for (const words of [
    ["run", "--rm", "--name", "late", "busybox", "true"],
    ["create", "--name", "late2", "busybox", "true"],
    ["start", "waiting"],
    ["volume", "create", "vol"],
    ["import", `${disk}/big.tar`, "big"],
    ["cp", `${disk}/big/file`, "talker:/tmp"],
    ["exec", "talker", "sh", "-c", "echo x > /file"],
    ["rename", "waiting", "waited"],
    ["tag", "busybox", "other:tag"],
  ]) {
    const result = await daemon.docker(words, { timeoutMs: 30_000 });
    outcomes.push({ words: words.join(" "), ...result });
    if (result.status !== 0 && result.status !== 1) expect(result.stderr).not.toBe("");
    expect(result.stderr).not.toContain("undefined");
  }
  expect(outcomes.filter(({ status }) => status !== 0).length).toBeGreaterThan(0);
  await alive();
  expect(await daemon.ok("ps", "--filter", "name=talker", "--format", "{{.Names}}")).toBe("talker");
  expect((await daemon.docker(["logs", "--tail", "1", "talker"])).status).toBe(0);
  await free();
  // the container that could not write its log goes on, and so does its log
  // two lines when one more is written while the end is looked for
  const newest = async (): Promise<number> =>
    Number((await daemon.ok("logs", "--tail", "1", "talker")).split("\n").at(-1));
  const last = await newest();
  await until("the log goes on", async () => (await newest()) > last + 10);
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "again")).toBe("again");
  for (const name of (await daemon.ok("ps", "-a", "--format", "{{.Names}}")).split("\n"))
    await daemon.ok("rm", "-f", name);
  expect(await daemon.ok("ps", "-aq")).toBe("");
  await until("no container's folder is left", async () => (await readdir(data("containers"))).length === 0);
  // and what the disk holds is sound
  await daemon.stop();
  await daemon.start();
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "restarted")).toBe("restarted");
}, 120_000);

test("removing and stopping work on a disk that is full", async () => {
  await daemon.ok("run", "-d", "--name", "one", "busybox", "sleep", "600");
  await daemon.ok("run", "-d", "--name", "two", "-v", "/anonymous", "busybox", "sleep", "600");
  await fill();
  const stopped = await daemon.docker(["stop", "-t", "0", "one"]);
  expect(`${stopped.status} ${stopped.stderr}`).toBe("0 ");
  const removed = await daemon.docker(["rm", "-f", "-v", "one", "two"]);
  expect(`${removed.status} ${removed.stderr}`).toBe("0 ");
  await free();
  expect(await daemon.ok("ps", "-aq")).toBe("");
}, 60_000);
