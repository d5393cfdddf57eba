import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getXattr, setXattr } from "../../src/kernel/xattr.ts";
import { importBusybox, mounts, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = mkdtempSync(join(tmpdir(), "berth-cpst-"));
}, 60_000);
afterAll(async () => {
  const left = (await mounts(daemon.folder)).filter((target) => /\/(volumes|exec\/c)\//.test(target));
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
}, 60_000);

/** A GET of an archive whose client reads the head and then nothing. */
async function slowReader(c: string, path: string): Promise<Socket> {
  const socket = connect(daemon.socket);
  socket.write(`GET /v1.51/containers/${c}/archive?path=${path} HTTP/1.1\r\nHost: d\r\n\r\n`);
  await new Promise((resolve) => void socket.once("data", resolve));
  socket.pause();
  return socket;
}
const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on("error", () => resolve()).on("close", () => resolve());
    socket.resume();
  });
const free = () =>
  until("nothing of it is mounted", async () =>
    (await mounts(daemon.folder)).every((target) => !/\/(volumes|exec\/c)\//.test(target)),
  );

describe("a slow client that copies from a stopped container", () => {
  const big = "dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null; echo kept > /v/file";

  test("keeps nobody waiting: it is started, inspected, copied and stopped meanwhile", async () => {
    await daemon.ok("run", "--name", "slow", "-v", "slowvol:/v", "busybox", "sh", "-c", big);
    const readers = [await slowReader("slow", "/big"), await slowReader("slow", "/v")];
    const before = performance.now();
    writeFileSync(join(folder, "in"), "from outside\n");
    await daemon.ok("cp", join(folder, "in"), "slow:/in");
    await daemon.ok("rename", "slow", "slower");
    await daemon.ok("start", "-a", "slower");
    expect(await daemon.ok("exec", "slower", "true").catch((error: unknown) => String(error))).toContain(
      "is not running",
    );
    expect(performance.now() - before).toBeLessThan(15_000);
    for (const reader of readers) reader.destroy();
    await free();
    await daemon.ok("rm", "-v", "slower");
    await daemon.ok("volume", "rm", "slowvol");
  }, 60_000);

  test("sees the files of the run that begins meanwhile, and the run sees what is copied in: one file system", async () => {
    await daemon.ok(
      "create",
      "--name",
      "both",
      "-v",
      "bothvol:/v",
      "busybox",
      "sh",
      "-c",
      "while [ ! -f /go ]; do sleep 0.02; done; echo out > /made; cat /go; sleep 600",
    );
    await daemon.ok("cp", "-q", join(folder, "in"), "both:/seed");
    const upload = connect(daemon.socket);
    upload.write(
      "PUT /v1.51/containers/both/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    writeFileSync(join(folder, "go"), "begin\n");
    const tar = Buffer.from(
      await new Response(Bun.spawn(["tar", "-C", folder, "-cf", "-", "go"]).stdout).arrayBuffer(),
    );
    const chunk = (bytes: Buffer): void =>
      void upload.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]));
    chunk(tar.subarray(0, 512)); // the tree is open from here on
    await daemon.ok("start", "both");
    chunk(tar.subarray(512));
    upload.write("0\r\n\r\n");
    expect(await until("the container saw the file", async () => (await daemon.ok("logs", "both")) || undefined)).toBe(
      "begin",
    );
    expect(await daemon.ok("exec", "both", "cat", "/seed", "/made")).toBe("from outside\nout");
    upload.destroy();
    await daemon.ok("rm", "-f", "-v", "both");
    await daemon.ok("volume", "rm", "bothvol");
    await free();
  }, 60_000);

  test("ends when the container is removed, and holds nothing", async () => {
    await daemon.ok(
      "run",
      "--name",
      "gone",
      "busybox",
      "sh",
      "-c",
      "dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null",
    );
    const reader = await slowReader("gone", "/big");
    await daemon.ok("rm", "gone");
    await ended(reader);
    await free();
  }, 60_000);
});

test("mounts of a stopped container are there: volumes in images, tmpfs volumes, binds, read-only ones refuse", async () => {
  writeFileSync(join(folder, "hostfile"), "host\n");
  await daemon.ok("volume", "create", "-o", "size=16m", "image");
  await daemon.ok("run", "--rm", "-v", "image:/v", "busybox", "sh", "-c", "echo inside > /v/file");
  await daemon.ok(
    "create",
    "--name",
    "stopped",
    "-v",
    "image:/v",
    "-v",
    `${folder}:/host:ro`,
    "-v",
    `${join(folder, "hostfile")}:/one`,
    "busybox",
  );
  const cat = async (path: string) =>
    (
      await run(["sh", "-c", `docker cp stopped:${path} - | tar -xO`], {
        env: { DOCKER_HOST: `unix://${daemon.socket}` },
      })
    ).stdout;
  expect([await cat("/v/file"), await cat("/host/hostfile"), await cat("/one")]).toEqual([
    "inside\n",
    "host\n",
    "host\n",
  ]);
  await daemon.ok("cp", join(folder, "hostfile"), "stopped:/v/copied");
  expect(await daemon.ok("run", "--rm", "-v", "image:/v", "busybox", "cat", "/v/copied")).toBe("host");
  expect((await daemon.docker(["cp", join(folder, "hostfile"), "stopped:/host/no"])).stderr).toContain(
    "marked read-only",
  );
  await daemon.ok("rm", "stopped");
  await daemon.ok("volume", "rm", "image");
  await free();
}, 60_000);

test("big and sparse files, hard links, extended attributes, long and odd names come through both ways", async () => {
  const here = join(folder, "tree");
  mkdirSync(join(here, "d".repeat(120), "e".repeat(120)), { recursive: true });
  await run(["truncate", "-s", "3G", join(here, "holes")]);
  await run([
    "sh",
    "-c",
    `printf end | dd of=${join(here, "holes")} bs=1 seek=2G conv=notrunc status=none; echo x > ${here}/file; ln ${here}/file ${here}/hard; setcap cap_net_raw+ep ${here}/file; printf x > "${here}/"$'new\\nline'; mkfifo ${here}/fifo`,
  ]);
  const picture = async (place: string) =>
    (
      await run([
        "sh",
        "-c",
        `cd ${place} && find . -printf '%P %y %m %n %s\\n' | sort; stat -c %b holes; getcap file; dd if=holes bs=1 skip=2G count=3 status=none`,
      ])
    ).stdout;
  setXattr(join(here, "file"), "user.colour", Buffer.from([0xff, 0, 7]));
  const wanted = await picture(here);
  for (const state of ["created", "running"]) {
    await daemon.ok("create", "--name", "tree", "busybox", "sleep", "600");
    if (state === "running") await daemon.ok("start", "tree");
    // docker's own client writes holes as zeros; tar does not, and says what is there
    const packed = await run(
      ["sh", "-c", `tar -C ${folder} --sparse --xattrs --xattrs-include='*' -cf - tree | docker cp - tree:/tmp`],
      { env: { DOCKER_HOST: `unix://${daemon.socket}` } },
    );
    expect(packed.stderr).toBe("");
    const out = join(folder, `out-${state}`);
    mkdirSync(out);
    const back = await run(
      ["sh", "-c", `docker cp tree:/tmp/tree - | tar -C ${out} --xattrs --xattrs-include='*' -xpf -`],
      { env: { DOCKER_HOST: `unix://${daemon.socket}` } },
    );
    expect(back.stderr).toBe("");
    expect(await picture(join(out, "tree"))).toBe(wanted);
    expect(getXattr(join(out, "tree/file"), "user.colour")).toEqual(Buffer.from([0xff, 0, 7]));
    expect(statSync(join(out, "tree/holes")).blocks).toBeLessThan(1000);
    rmSync(out, { recursive: true });
    await daemon.ok("rm", "-f", "tree");
  }
}, 60_000);

test("a container that swaps what is mounted on, while others copy, never makes the host's files seen or changed", async () => {
  // GHSA-rg2x-37c3-w2rh, GHSA-vp62-88p7-qqf5: the destination of a mount is a path in a volume that somebody else writes
  const canary = join(folder, "canary");
  mkdirSync(canary);
  writeFileSync(join(canary, "secret"), "host\n");
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "swapper",
    "-v",
    "race:/r",
    "busybox",
    "sh",
    "-c",
    `mkdir -p /r/real; while :; do rm -rf /r/dir; ln -s ${canary} /r/dir; rm -f /r/dir; mkdir /r/dir; rm -f /r/file; ln -s ${canary}/made /r/file; rm -f /r/file; echo > /r/file; done`,
  );
  writeFileSync(join(folder, "evil"), "evil\n");
  await daemon.ok(
    "create",
    "--name",
    "victim",
    "-v",
    "race:/r",
    "-v",
    "inner:/r/dir",
    "-v",
    `${join(folder, "evil")}:/r/file`,
    "busybox",
  );
  for (let round = 0; round < 25; round++) {
    await Promise.all([
      daemon.docker(["cp", join(folder, "evil"), "victim:/r/dir/evil"]),
      daemon.docker(["cp", join(folder, "evil"), "swapper:/r/dir/evil"]),
      daemon.docker(["cp", "swapper:/r/dir", join(folder, `stolen-${round}`)]),
    ]);
    const stolen = join(folder, `stolen-${round}`);
    // what was copied may be a link by itself: only what lies in files was read on the host
    const found = await run(["find", "-P", stolen, "-type", "f", "-exec", "grep", "-l", "^host$", "{}", "+"]);
    expect(found.stdout).toBe("");
  }
  await daemon.ok("rm", "-f", "swapper", "victim");
  expect([readdirSync(canary), readFileSync(join(canary, "secret"), "utf8")]).toEqual([["secret"], "host\n"]);
  expect((await mounts(canary)).length).toBe(0);
  await daemon.ok("volume", "rm", "race", "inner");
}, 60_000);
