import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, readdir, readFile, readlink } from "node:fs/promises";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run } from "../harness/run.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  await chmod(daemon.folder, 0o755); // as /var/lib and /run are
}, 60_000);
afterAll(() => daemon[Symbol.asyncDispose](), 60_000);

/** A program as a user of this host that has nothing to do with the engine. */
const asNobody = (...command: string[]) =>
  run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...command]);

test("another user of the host reads, runs and writes nothing of the engine's, whatever names he knows (CVE-2021-41091)", async () => {
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "secret",
    "-e",
    "PASSWORD=hunter2",
    "-v",
    "private:/v",
    "busybox",
    "sh",
    "-c",
    "cp /bin/busybox /v/suid; chmod 4755 /v/suid; sleep 600",
  );
  await daemon.ok("exec", "-d", "-e", "PASSWORD=hunter3", "secret", "sleep", "500");
  await daemon.ok("run", "-dit", "--name", "terminal", "busybox", "sh");
  const everything = (
    await run([
      "find",
      daemon.dataRoot,
      daemon.execRoot,
      "-xdev",
      "-mindepth",
      "1",
      "-not",
      "-path",
      `${daemon.execRoot}/netns/*`,
    ])
  ).stdout
    .split("\n")
    .filter(Boolean);
  expect(everything.some((path) => path.endsWith("/suid"))).toBe(true);
  expect(everything.some((path) => path.endsWith("/state.db"))).toBe(true);
  const script =
    'while read -r path; do [ -d "$path" ] && { ls "$path" >/dev/null 2>&1 && echo "lists $path"; continue; }; [ -r "$path" ] && echo "reads $path"; [ -w "$path" ] && echo "writes $path"; [ -x "$path" ] && echo "runs $path"; done; true';
  const found = await run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script], {
    stdin: `${everything.join("\n")}\n`,
  });
  // locks hold a pid, the runtime's folder the names of runtimes
  const harmless = new Set([
    `reads ${daemon.dataRoot}/daemon.lock`,
    `reads ${daemon.execRoot}/daemon.lock`,
    `lists ${daemon.execRoot}/runtime`,
  ]);
  expect(found.stdout.split("\n").filter((line) => line !== "" && !harmless.has(line))).toEqual([]);
  expect((await asNobody("ls", daemon.dataRoot)).status).not.toBe(0);
  expect(
    (
      await run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "docker", "version"], {
        env: { DOCKER_HOST: `unix://${daemon.socket}`, HOME: "/nonexistent" },
      })
    ).stderr,
  ).toContain("permission denied");
  await daemon.ok("rm", "-f", "-v", "secret", "terminal");
  await daemon.ok("volume", "rm", "private");
});

test("no process of the engine listens on an abstract socket or a port (CVE-2020-15257)", async () => {
  await daemon.ok("run", "-d", "--name", "host-net", "--network", "host", "busybox", "sleep", "600");
  const ours = new Set<string>();
  for (const pid of [daemon.pid(), await daemon.monitorPid()]) {
    for (const fd of await readdir(`/proc/${pid}/fd`))
      ours.add(/^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))?.[1] ?? "none");
  }
  const seen = (await daemon.ok("exec", "host-net", "cat", "/proc/net/unix")).split("\n");
  const own = seen.map((line) => line.trim().split(/\s+/)).filter((row) => ours.has(row[6] ?? ""));
  expect(own.some((row) => row[7] === daemon.socket)).toBe(true); // the look sees our sockets at all
  expect(own.filter((row) => row[7]?.startsWith("@"))).toEqual([]);
  for (const family of ["tcp", "tcp6", "udp", "udp6"]) {
    const rows = (await readFile(`/proc/net/${family}`, "utf8")).split("\n").slice(1);
    expect(rows.filter((row) => ours.has(row.trim().split(/\s+/)[9] ?? ""))).toEqual([]);
  }
  expect((await daemon.docker(["exec", "host-net", "ls", daemon.execRoot])).status).not.toBe(0);
  await daemon.ok("rm", "-f", "host-net");
});

test("a container has no capability to inherit, no descriptor of ours and no process of ours, in run and exec", async () => {
  for (const flags of [[], ["-u", "1000"], ["--privileged"], ["--cap-add", "SYS_ADMIN", "-u", "1000"]]) {
    await daemon.ok("run", "-d", "--name", "bare", ...flags, "busybox", "sleep", "600");
    for (const inside of [
      await daemon.ok("exec", "bare", "grep", "Cap", "/proc/self/status"),
      await daemon.ok("exec", "bare", "grep", "Cap", "/proc/1/status"),
    ]) {
      expect(inside).toContain("CapInh:\t0000000000000000");
      expect(inside).toContain("CapAmb:\t0000000000000000");
    }
    expect((await daemon.ok("exec", "bare", "ls", "/proc/self/fd")).split("\n")).toEqual(["0", "1", "2", "3"]); // 3 is ls's own
    const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", "bare");
    expect((await readdir(`/proc/${pid}/fd`)).sort()).toEqual(["0", "1", "2"]);
    await daemon.ok("rm", "-f", "bare");
  }
});
