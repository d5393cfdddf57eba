import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { slowly, TestRegistry } from "../../src/images/travel/registry-fixture.ts";
import { tarOf } from "../../src/snapshots/apply/tar-fixture.ts";
import { startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { startDockerRegistry, type TestRegistry as DockerRegistry } from "../harness/docker-registry.ts";
import { run, until } from "../harness/run.ts";

// The daemon is killed with signal 9 at each step of a pull and a push, with Debian's docker-registry at the other end;
// the next start must have a store in order, and the same command must then end as if nothing had been.

let daemon: TestDaemon;
let registry: DockerRegistry;
let source: TestDaemon;
beforeAll(async () => {
  [daemon, source, registry] = await Promise.all([startDaemon(), startDaemon(), startDockerRegistry()]);
  await importTar(source, name("seed"), layer(1), layer(2));
  await source.ok("push", "-q", name("seed"));
}, 60_000);
afterAll(async () => {
  await Promise.allSettled([daemon, source].map((one) => one[Symbol.asyncDispose]()));
  await registry[Symbol.asyncDispose]();
}, 60_000);

const name = (tag: string): string => `${registry.host}/crash/image:${tag}`;
/** Three megabytes that do not compress. */
const layer = (seed: number): Buffer =>
  tarOf({
    name: `etc/layer-${seed}`,
    content: Buffer.concat(
      Array.from({ length: 50_000 }, (_, index) => createHash("sha512").update(`${seed} ${index}`).digest()),
    ),
  });

/** An image of one layer per tar: the first imported, the others committed. */
async function importTar(to: TestDaemon, reference: string, first: Buffer, second: Buffer): Promise<void> {
  const file = join(to.folder, "rootfs.tar");
  await writeFile(file, first);
  await to.ok("import", file, reference);
  await writeFile(file, second);
  const id = await to.ok("create", reference, "none");
  const copied = await run(["sh", "-c", `docker cp - ${id}:/ < ${file}`], {
    env: { DOCKER_HOST: `unix://${to.socket}` },
  });
  expect(copied.status).toBe(0);
  await to.ok("commit", id, reference);
  await to.ok("rm", id);
  await rm(file);
}

const check = async (of: TestDaemon): Promise<unknown> =>
  ((await (await of.request("GET", "/berth/system/check")).json()) as { Findings: unknown }).Findings;
const files = (of: TestDaemon, folder: string): string[] => readdirSync(join(of.dataRoot, folder));

async function leavesNothing(of: TestDaemon, reference: string): Promise<void> {
  await of.docker(["rmi", "-f", reference]);
  expect(await of.ok("images", "-aq")).toBe("");
  expect(files(of, "content/sha256")).toEqual([]);
  await until(
    "layers are gone",
    () => files(of, "snapshots/overlay/layers").length === 0 && files(of, "snapshots/overlay/trash").length === 0,
  );
  expect(files(of, "snapshots/overlay/tmp")).toEqual([]);
}

async function killedAt(of: TestDaemon, point: string, words: readonly string[]): Promise<void> {
  await of.stop();
  await of.start({ BERTH_FAULT: `${point}=kill` });
  const result = await of.docker(words);
  expect(result.status).not.toBe(0);
  expect(await of.ended()).toBe("SIGKILL");
  await of.start();
}

describe("a pull that is killed ends at the next try", () => {
  test.each([
    "image.pull.after-manifest",
    "image.pull.mid-layer",
    "content.receive.before-rename",
    "snapshot.apply.before-commit",
    "image.pull.after-layer",
    "image.pull.before-row",
    "image.pull.after-row",
  ])(
    "%s",
    async (point) => {
      await killedAt(daemon, point, ["pull", "-q", name("seed")]);
      expect(await check(daemon)).toEqual([]);
      await daemon.ok("pull", "-q", name("seed"));
      expect(await check(daemon)).toEqual([]);
      expect(await daemon.ok("inspect", "-f", "{{.Id}}", name("seed"))).toBe(
        await source.ok("inspect", "-f", "{{.Id}}", name("seed")),
      );
      await leavesNothing(daemon, name("seed"));
    },
    60_000,
  );
});

describe("a push that is killed ends at the next try, with the same digest", () => {
  test.each([
    "image.push.after-pack",
    "image.push.mid-layer",
    "image.push.before-manifest",
    "image.push.after-manifest",
  ])(
    "%s",
    async (point) => {
      const reference = name(point.slice(-8).replaceAll(".", "-"));
      await importTar(daemon, reference, layer(point.length), layer(point.length + 100));
      await killedAt(daemon, point, ["push", "-q", reference]);
      expect(await check(daemon)).toEqual([]);
      await daemon.ok("push", "-q", reference);
      const [pushed = ""] = (await daemon.ok("inspect", "-f", '{{join .RepoDigests " "}}', reference)).split(" ");
      const id = await daemon.ok("inspect", "-f", "{{.Id}}", reference);
      await leavesNothing(daemon, reference);
      await daemon.ok("pull", "-q", pushed);
      expect(await daemon.ok("inspect", "-f", "{{.Id}}", pushed)).toBe(id);
      await leavesNothing(daemon, pushed);
    },
    60_000,
  );
});

test("a pull that was killed in mid-layer asks only for what is missing", async () => {
  await using other = new TestRegistry();
  other.image("a:1", [layer(7)]);
  const gate = Promise.withResolvers<void>();
  let first = true;
  other.tamper = (request, url) => {
    const blob = other.blobs.get(url.pathname.split("/blobs/")[1] ?? "");
    if (request.method !== "GET" || !blob || blob.length < 1_000_000 || !first) return undefined;
    first = false;
    return slowly([blob.subarray(0, 2_000_000), blob.subarray(2_000_000)], () => gate.promise);
  };
  const pull = daemon.docker(["pull", "-q", `${other.host}/a:1`]);
  const ingest = join(daemon.dataRoot, "content/ingest");
  const arrived = (): number => Math.max(0, ...readdirSync(ingest).map((file) => statSync(join(ingest, file)).size));
  await until("half of the layer is there", () => arrived() > 1_000_000);
  await daemon.kill();
  gate.resolve();
  expect((await pull).status).not.toBe(0);
  const had = arrived();
  await daemon.start();
  await daemon.ok("pull", "-q", `${other.host}/a:1`);
  expect(other.asked(`bytes=${had}-`)).toHaveLength(1);
  await leavesNothing(daemon, `${other.host}/a:1`);
}, 60_000);

test("a repair that is killed between the damaged layer and its new one is finished by the next start", async () => {
  await daemon.ok("pull", "-q", name("seed"));
  const chains = join(daemon.dataRoot, "snapshots/overlay/layers");
  const damaged = readdirSync(chains).find((chain) => existsSync(join(chains, chain, "diff/etc/layer-1"))) ?? "";
  await writeFile(join(chains, damaged, "diff/etc/layer-1"), "changed");
  await daemon.stop();
  await daemon.start({ BERTH_FAULT: "image.check.after-discard=kill" });
  expect(await check(daemon)).toMatchObject([{ Kind: "layer", Problem: "its files are not those of its archive" }]);
  const answer = await daemon.request("POST", "/berth/system/check").catch(() => undefined);
  expect(answer).toBeUndefined();
  expect(await daemon.ended()).toBe("SIGKILL");
  await daemon.start();
  await until("the layer is there again", async () => JSON.stringify(await check(daemon)) === "[]");
  await leavesNothing(daemon, name("seed"));
}, 60_000);

test("a disk that is full in mid-pull is a clear error; with room again the pull ends, and others were never harmed", async () => {
  const folder = join(daemon.folder, "small");
  const small = await run(["sh", "-c", `mkdir ${folder} && mount -t tmpfs -o size=9m tmpfs ${folder}`]);
  expect(small.status).toBe(0);
  const tight = await startDaemon({ args: ["--data-root", folder] });
  try {
    await writeFile(join(tight.folder, "tiny.tar"), tarOf({ name: "bin/", type: "folder", mode: 0o755 }));
    await tight.ok("import", join(tight.folder, "tiny.tar"), "tiny");
    const failed = await tight.docker(["pull", "-q", name("seed")]);
    expect(failed.status).not.toBe(0);
    expect(failed.stderr + failed.stdout).toContain("no space left on device");
    expect(await check(tight)).toEqual([]);
    expect(await tight.ok("images", "--format", "{{.Repository}}")).toBe("tiny");
    await run(["mount", "-o", "remount,size=200m", folder]);
    await tight.ok("pull", "-q", name("seed"));
    expect(await check(tight)).toEqual([]);
    await tight.kill();
    await tight.start();
    expect(await tight.ok("images", "-q")).not.toBe("");
  } finally {
    await tight[Symbol.asyncDispose]();
    await run(["umount", "-l", folder]);
    expect(existsSync(folder)).toBe(true);
  }
}, 60_000);
