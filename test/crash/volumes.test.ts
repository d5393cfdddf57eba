import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { importBusybox, mounts, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

const berth = (...args: string[]) => daemon.berth(["volume", ...args]);
const content = (volume: string): Promise<string> =>
  daemon.ok(
    "run",
    "--rm",
    "-v",
    `${volume}:/v`,
    "busybox",
    "sh",
    "-c",
    "cd /v; find . -type f | sort; cat file 2>/dev/null; true",
  );

interface Cut {
  readonly verb: readonly string[];
  /** Names of the volumes afterwards, and what the first of them holds; several when either side is whole. */
  readonly wanted: readonly { readonly names: string; readonly text: string }[];
}
const before = "./file\n./sub/deep\nnow";
const restored = "./file\nthen";
const cuts: Readonly<Record<string, Cut>> = {
  "volume.image.made": { verb: ["create", "-o", "size=16m", "other"], wanted: [{ names: "data", text: before }] },
  "volume.create.made": { verb: ["copy", "data", "other"], wanted: [{ names: "data", text: before }] },
  "volume.snapshot.copied": { verb: ["snapshot", "data", "two"], wanted: [{ names: "data", text: before }] },
  "volume.snapshot.removing": { verb: ["snapshot-rm", "data", "one"], wanted: [{ names: "data", text: before }] },
  "volume.replace.made": { verb: ["restore", "data", "one"], wanted: [{ names: "data", text: before }] },
  "volume.replace.exchanged": { verb: ["restore", "data", "one"], wanted: [{ names: "data", text: restored }] },
  "volume.rename.row": { verb: ["rename", "data", "other"], wanted: [{ names: "other", text: before }] },
  "volume.rename.folder": { verb: ["rename", "data", "other"], wanted: [{ names: "other", text: before }] },
  "volume.remove.row": { verb: ["rm", "data"], wanted: [{ names: "", text: "" }] },
  "volume.remove.driver": { verb: ["rm", "data"], wanted: [{ names: "", text: "" }] },
  "volume.remove.renamed": { verb: ["rm", "data"], wanted: [{ names: "", text: "" }] },
};

test.each(Object.entries(cuts))(
  "kill -9 at %s leaves volumes that are whole, and nothing else",
  async (point, { verb, wanted }) => {
    await daemon.ok("run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", "echo then > /v/file");
    await berth("snapshot", "data", "one");
    await daemon.ok(
      "run",
      "--rm",
      "-v",
      "data:/v",
      "busybox",
      "sh",
      "-c",
      "echo now > /v/file; mkdir /v/sub; touch /v/sub/deep",
    );
    await daemon.kill();
    await daemon.start({ BERTH_FAULT: `${point}=kill` });
    expect((await berth(...verb)).status).not.toBe(0);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    const names = await daemon.ok("volume", "ls", "-q");
    expect(wanted.map((side) => side.names)).toContain(names);
    if (names !== "") expect(await content(names)).toBe(wanted.find((side) => side.names === names)?.text ?? "");
    await until("what was left is deleted", () => readdirSync(join(daemon.dataRoot, "volumes")).join() === names);
    if (names !== "")
      expect(readdirSync(join(daemon.dataRoot, "volumes", names)).filter((name) => name.startsWith("."))).toEqual([]);
    // and it can be done again
    if (names === "data" && verb[0] !== "snapshot-rm") {
      expect((await berth(...verb)).stderr).toBe("");
      await berth("rm", "-f", "other");
    }
    await berth("rm", "-f", names);
    expect(await daemon.ok("volume", "ls", "-q")).toBe("");
    expect((await mounts(daemon.folder)).filter((target) => target.includes("/volumes/"))).toEqual([]);
    expect((await run(["losetup", "-a"])).stdout).not.toContain(daemon.folder);
  },
  60_000,
);

test("references stay right when the daemon is killed in the middle of creates and removals of users", async () => {
  for (const [point, verb, left] of [
    ["create.after-row", ["create", "--name", "user", "-v", "shared:/v", "busybox"], 1],
    ["create.after-snapshot", ["create", "--name", "user", "-v", "shared:/v", "busybox"], 1],
    ["remove.after-intent", ["rm", "user"], 0],
    ["remove.after-snapshot", ["rm", "user"], 0],
  ] as const) {
    if (left === 0) await daemon.ok("create", "--name", "user", "-v", "shared:/v", "busybox");
    else await daemon.ok("volume", "create", "shared");
    await daemon.kill();
    await daemon.start({ BERTH_FAULT: `${point}=kill` });
    await daemon.docker([...verb]);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    const users = (await daemon.ok("ps", "-aq", "--no-trunc")).split("\n").filter(Boolean);
    const refusal = (await daemon.docker(["volume", "rm", "shared"])).stderr;
    // whoever is there is named, and nobody else
    if (users.length > 0 && point.startsWith("create")) {
      await daemon.docker(["start", "-a", "user"]); // a create that was cut is made whole by its start
      expect((await daemon.docker(["volume", "rm", "shared"])).stderr).toContain(`volume is in use - [${users[0]}]`);
      await daemon.ok("rm", "-f", "user");
      await daemon.ok("volume", "rm", "shared");
    } else if (users.length === 0) expect([point, refusal]).toEqual([point, ""]);
    else throw new Error(`${point} left ${users.join()}`);
  }
}, 60_000);

test.each([
  "volume.populate.row",
  "volume.populate.copied",
  "volume.mount.row",
  "volume.unmount.row",
  "start.idmap",
  "start.overlay",
])(
  "kill -9 at %s of a run is made good: its volumes are whole, and nothing is left mounted",
  async (point) => {
    const source = join(daemon.folder, "bound");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "file"), "host\n");
    await daemon.ok("volume", "create", "-o", "size=16m", "lim");
    await daemon.kill();
    await daemon.start({ BERTH_FAULT: `${point}=kill` });
    const flags = ["-v", "lim:/v", "-v", "named:/etc", "-v", `${source}:/m:idmap`, "-v", `${source}:/o:O`];
    const script = "echo run >> /v/file; echo over > /o/file; cat /m/file > /v/seen";
    await daemon.docker(["run", "--name", "user", ...flags, "busybox", "sh", "-c", script]);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    // somebody asked for it: the next daemon starts what had not run yet
    await until(
      "it has run",
      async () => (await daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "user")) === "exited 0",
    );
    const own = async () => (await mounts(daemon.folder)).filter((target) => /\/(volumes|exec\/c)\//.test(target));
    await until("its mounts are gone", async () => (await own()).length === 0);
    expect(await daemon.ok("run", "--rm", "-v", "lim:/v", "busybox", "cat", "/v/file", "/v/seen")).toBe("run\nhost");
    expect(await daemon.ok("run", "--rm", "-v", "named:/n", "busybox", "ls", "/n")).toContain("passwd");
    expect(readFileSync(join(source, "file"), "utf8")).toBe("host\n");
    await until("the last mount is gone", async () => (await own()).length === 0);
    expect((await run(["losetup", "-a"])).stdout).not.toContain(daemon.folder);
    await daemon.ok("rm", "user");
    await daemon.ok("volume", "rm", "lim", "named");
  },
  60_000,
);

test("a copy of a stopped container that was killed leaves no mount", async () => {
  await daemon.ok("volume", "create", "-o", "size=16m", "lim");
  await daemon.ok("create", "--name", "stopped", "-v", "lim:/v", "busybox");
  await daemon.kill();
  await daemon.start({ BERTH_FAULT: "cp.mounted=kill" });
  await daemon.docker(["cp", "stopped:/bin/busybox", "-"]);
  expect(await daemon.ended()).toBe("SIGKILL");
  await daemon.start();
  const own = async () => (await mounts(daemon.folder)).filter((target) => /\/(volumes|exec\/c)\//.test(target));
  await until("its mounts are gone", async () => (await own()).length === 0);
  expect((await daemon.docker(["cp", "stopped:/bin/busybox", "-"])).status).toBe(0);
  expect(await own()).toEqual([]);
  expect((await run(["losetup", "-a"])).stdout).not.toContain(daemon.folder);
  await daemon.ok("rm", "stopped");
  await daemon.ok("volume", "rm", "lim");
}, 60_000);
