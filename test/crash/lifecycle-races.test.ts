import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { eventsOf, importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { leftovers } from "../harness/leftovers.ts";
import { run, until } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
/** A runtime whose verbs wait as long as a file of their name is there. */
beforeAll(async () => {
  folder = await mkdtemp("/tmp/berth-odd-");
  await Bun.write(
    join(folder, "slow"),
    `#!/bin/sh
if [ "$1" = --version ]; then echo "odd version 1.0.0"; exit 0; fi
for word in "$@"; do case "$word" in create|delete) verb=$word; break;; esac; done
[ "$verb" ] || exec crun "$@"
touch ${folder}/at-$verb
while [ -e ${folder}/$verb ]; do sleep 0.02; done
exec crun "$@"
`,
  );
  await chmod(join(folder, "slow"), 0o755);
  daemon = await startDaemon({ args: ["--add-runtime", `slow=${folder}/slow`] });
  await importBusybox(daemon);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const at = (verb: string) => Bun.file(join(folder, `at-${verb}`));
const hold = async (verb: string): Promise<void> => {
  await rm(join(folder, `at-${verb}`), { force: true });
  await Bun.write(join(folder, verb), "");
};
const free = (verb: string): Promise<void> => rm(join(folder, verb), { force: true });
const status = (c: string): Promise<string> => daemon.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", c);

test("a name given during the start is the name other containers find it by", async () => {
  await daemon.ok("network", "create", "named");
  await daemon.ok("create", "--name", "before", "--network", "named", "--runtime", "slow", "busybox", "sleep", "600");
  await hold("create");
  const starting = daemon.ok("start", "before");
  await until("the runtime creates", () => at("create").exists());
  await daemon.ok("rename", "before", "after");
  await free("create");
  await starting;
  const [found] = JSON.parse(await daemon.ok("network", "inspect", "named")) as [
    { Containers: Record<string, { Name: string }> },
  ];
  expect(Object.values(found.Containers).map(({ Name }) => Name)).toEqual(["after"]);
  await daemon.ok("rm", "-f", "after");
  await daemon.ok("network", "rm", "named");
}, 60_000);

test("who waits for the next exit while the last run is cleaned up hears of the next", async () => {
  await daemon.ok(
    "create",
    "--name",
    "twice",
    "--runtime",
    "slow",
    "busybox",
    "sh",
    "-c",
    "test -f /once && exit 5; touch /once; exit 4",
  );
  await daemon.ok("start", "twice");
  await until("the first run ended", async () => (await status("twice")) === "exited 4");
  const waiting = daemon
    .request("POST", "/v1.51/containers/twice/wait?condition=next-exit")
    .then((answer) => answer.json());
  await daemon.ok("start", "twice");
  expect(await waiting).toMatchObject({ StatusCode: 5 });
  await daemon.ok("rm", "twice");
});

test("rm -f of a container that starts removes it, and rm without force waits and refuses", async () => {
  const clean = await leftovers(daemon);
  await daemon.ok("create", "--name", "starts", "--runtime", "slow", "busybox", "sleep", "600");
  await hold("create");
  const starting = daemon.docker(["start", "starts"]);
  await until("the runtime creates", () => at("create").exists());
  const forced = daemon.docker(["rm", "-f", "starts"]);
  await free("create");
  expect((await forced).status).toBe(0);
  await starting;
  expect(await daemon.ok("ps", "-aq")).toBe("");

  await daemon.ok("create", "--name", "starts", "--runtime", "slow", "busybox", "sleep", "600");
  await hold("create");
  const again = daemon.docker(["start", "starts"]);
  await until("the runtime creates", () => at("create").exists());
  const refused = daemon.docker(["rm", "starts"]);
  await free("create");
  expect((await refused).stderr).toContain("container is running");
  expect((await again).status).toBe(0);
  await daemon.ok("rm", "-f", "starts");
  await until("nothing is left", async () => JSON.stringify(await leftovers(daemon)) === JSON.stringify(clean));
}, 60_000);

test("of many starts at once one starts it, and all succeed", async () => {
  await daemon.ok("create", "--name", "many", "busybox", "sleep", "600");
  const results = await Promise.all(
    Array.from({ length: 8 }, () => daemon.request("POST", "/v1.51/containers/many/start")),
  );
  expect(results.map((answer) => answer.status).sort()).toEqual([204, 304, 304, 304, 304, 304, 304, 304]);
  expect((await eventsOf(daemon, "container=many", "event=start")).length).toBe(1);
  await daemon.ok("rm", "-f", "many");
});

test("many restarts at once leave it running, one with --rm too", async () => {
  for (const flags of [[], ["--rm"]]) {
    await daemon.ok("run", "-d", "--name", "again", "--stop-signal", "KILL", ...flags, "busybox", "sleep", "600");
    const results = await Promise.all(Array.from({ length: 5 }, () => daemon.docker(["restart", "-t", "0", "again"])));
    expect(results.map((result) => result.stderr + result.status)).toEqual(["0", "0", "0", "0", "0"]);
    expect((await status("again")).startsWith("running")).toBe(true);
    await daemon.ok("rm", "-f", "again");
  }
});

test("a container that ends while it is stopped, killed or restarted gives no error", async () => {
  for (const verb of [["stop"], ["restart"]]) {
    for (let n = 0; n < 5; n++) {
      await daemon.ok("run", "-d", "--name", "short", "busybox", "sh", "-c", "trap 'exit 0' TERM; sleep 0.1");
      expect((await daemon.docker([...verb, "-t", "1", "short"])).stderr).toBe("");
      await daemon.ok("rm", "-f", "short");
    }
  }
}, 60_000);

test("a stop during the delay of the restart policy, or while the policy waits for its turn, is final", async () => {
  await daemon.ok("run", "-d", "--name", "loops", "--restart", "always", "--runtime", "slow", "busybox", "true");
  await until("it restarts", async () => Number(await daemon.ok("inspect", "-f", "{{.RestartCount}}", "loops")) >= 2);
  await daemon.ok("stop", "loops");
  expect((await status("loops")).startsWith("exited")).toBe(true);
  const count = await daemon.ok("inspect", "-f", "{{.RestartCount}} {{.State.StartedAt}}", "loops");
  // longer than any delay that was planned by then
  for (let n = 0; n < 40; n++) await daemon.ok("ps", "-a");
  expect(await daemon.ok("inspect", "-f", "{{.RestartCount}} {{.State.StartedAt}}", "loops")).toBe(count);
  await daemon.ok("rm", "loops");
}, 60_000);

test("a paused container is stopped in its time, is shown as running meanwhile, and says so", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "frozen",
    "busybox",
    "sh",
    "-c",
    "trap 'sleep 0.5; exit 9' TERM; while :; do sleep 0.05; done",
  );
  await until("it traps", async () => (await daemon.ok("top", "frozen")).includes("sleep 0.05"));
  await daemon.ok("pause", "frozen");
  expect(
    await Promise.all([daemon.docker(["pause", "frozen"]), daemon.docker(["pause", "frozen"])]).then((all) =>
      all.map(({ stderr }) => stderr.includes("is already paused")),
    ),
  ).toEqual([true, true]);
  await daemon.ok("stop", "frozen");
  expect(await status("frozen")).toBe("exited 9");
  expect((await eventsOf(daemon, "container=frozen")).filter((action) => action !== "top")).toEqual([
    "create",
    "start",
    "pause",
    "kill",
    "unpause",
    "die",
    "stop",
  ]);
  await daemon.ok("rm", "frozen");
});

test("a daemon that dies in mid-pause finds the container frozen, and unpause thaws it", async () => {
  await daemon.stop();
  await daemon.start({ BERTH_FAULT: "pause.after-freeze=kill" });
  await daemon.ok("run", "-d", "--name", "frozen", "busybox", "sleep", "600");
  await daemon.docker(["pause", "frozen"]);
  expect(await daemon.ended()).toBe("SIGKILL");
  await daemon.start();
  expect(await status("frozen")).toBe("paused 0");
  await daemon.ok("unpause", "frozen");
  expect(await daemon.ok("exec", "frozen", "echo", "thawed")).toBe("thawed");
  await daemon.ok("rm", "-f", "frozen");
}, 60_000);

test("a removal that fails leaves a dead container, which can be removed when the trouble is over", async () => {
  const id = await daemon.ok("create", "--name", "sticky", "busybox", "true");
  const stuck = join(daemon.dataRoot, "containers", id, "stuck");
  await Bun.write(stuck, "");
  await run(["mount", "--bind", stuck, stuck]);
  try {
    expect((await daemon.docker(["rm", "sticky"])).status).toBe(1);
    expect(await daemon.ok("inspect", "-f", "{{.State.Status}}", "sticky")).toBe("dead");
  } finally {
    await run(["umount", stuck]);
  }
  await daemon.ok("rm", "sticky");
});

test("prune leaves what cannot be removed and takes the rest", async () => {
  const id = await daemon.ok("create", "--name", "sticky", "busybox", "true");
  await daemon.ok("create", "--name", "loose", "busybox", "true");
  const stuck = join(daemon.dataRoot, "containers", id, "stuck");
  await Bun.write(stuck, "");
  await run(["mount", "--bind", stuck, stuck]);
  try {
    expect(await daemon.ok("container", "prune", "-f")).toContain("Deleted Containers");
    expect(await daemon.ok("ps", "-a", "--format", "{{.Names}}")).toBe("sticky");
  } finally {
    await run(["umount", stuck]);
  }
  await daemon.ok("rm", "sticky");
});

test("execs leave no file in the bundle, and are forgotten with the container", async () => {
  const id = await daemon.ok("run", "-d", "--name", "execs", "busybox", "sleep", "600");
  for (let n = 0; n < 3; n++) await daemon.ok("exec", "execs", "true");
  const made = (await (await daemon.request("POST", `/v1.51/containers/${id}/exec`, { Cmd: ["true"] })).json()) as {
    Id: string;
  };
  await until("the files are gone", async () => (await readdir(join(daemon.execRoot, "c", id, "exec"))).length === 0);
  await daemon.ok("stop", "-t", "0", "execs");
  await daemon.ok("rm", "execs");
  expect((await daemon.request("GET", `/v1.51/exec/${made.Id}/json`)).status).toBe(404);
});

test("a limit that the kernel refuses at create leaves no cgroup", async () => {
  const id = await daemon.ok("create", "--name", "rt", "--cpu-rt-runtime", "1000", "busybox", "true");
  expect((await daemon.docker(["start", "rt"])).status).toBe(1);
  const { stdout } = await run(["find", "/sys/fs/cgroup", "-maxdepth", "3", "-name", id]);
  expect(stdout).toBe("");
  await daemon.ok("rm", "rt");
});

test.each([
  [[], "exited"],
  [["--stop-signal", "TERM"], "running"],
])(
  "any signal by hand ends the restart policy, but for one that is not the configured stop signal (%p)",
  async (flags, then) => {
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "signalled",
      "--restart",
      "always",
      ...flags,
      "busybox",
      "sh",
      "-c",
      "trap 'exit 3' USR1; echo up; while :; do sleep 0.02; done",
    );
    await until("it traps", async () => (await daemon.ok("logs", "signalled")) !== "");
    await daemon.ok("kill", "-s", "USR1", "signalled");
    await until(
      "its end was seen",
      async () => (await eventsOf(daemon, "container=signalled", "event=die")).length > 0,
    );
    await until(`it is ${then}`, async () => (await status("signalled")).startsWith(then));
    await daemon.ok("rm", "-f", "signalled");
  },
);
