import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";
import { run } from "../harness/run.ts";

let daemon: TestDaemon;
let folder: string;
/** A mount of the host with one file: it must stay mounted, and stay as it is. */
let canary: string;

beforeAll(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  folder = await mkdtemp("/tmp/berth-sec-");
  canary = join(folder, "canary");
  await mkdir(canary);
  await run(["mount", "-t", "tmpfs", "canary", canary]);
  await writeFile(join(canary, "secret"), "host\n");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await run(["umount", canary]);
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Imports busybox with more in it; `make` gets the root folder. */
async function hostileImage(
  name: string,
  make: (root: string) => Promise<unknown>,
  ...changes: string[]
): Promise<void> {
  const root = join(folder, `${name}.root`);
  await mkdir(join(root, "bin"), { recursive: true });
  await Bun.$`cp /bin/busybox ${root}/bin/busybox && ln -s busybox ${root}/bin/sh && ln -s busybox ${root}/bin/ls && ln -s busybox ${root}/bin/cat`.quiet();
  await make(root);
  await Bun.$`tar -C ${root} -cf ${root}.tar .`.quiet();
  await daemon.ok("import", ...changes.flatMap((change) => ["--change", change]), `${root}.tar`, name);
}

const untouched = async (): Promise<void> => {
  expect(await readdir(canary)).toEqual(["secret"]);
  expect(await Bun.file(join(canary, "secret")).text()).toBe("host\n");
};

test("copying from a stopped container whose image has links on the way to a volume unmounts nothing of the host", async () => {
  await hostileImage("linked-parent", async (root) => {
    await mkdir(join(root, folder), { recursive: true });
    await symlink(folder, join(root, "a"));
  });
  await daemon.ok("create", "--name", "stopped", "-v", "data:/a/canary", "linked-parent", "/bin/sh");
  for (let round = 0; round < 2; round++) {
    await daemon.ok("cp", "stopped:/bin/busybox", join(folder, "copied"));
    await untouched();
  }
  await daemon.ok("rm", "-v", "stopped");
});

test("what a container may not write, cp does not write either, while it runs and while it does not", async () => {
  const shared = join(folder, "shared");
  await mkdir(shared);
  await writeFile(join(shared, "file"), "host\n");
  await writeFile(join(folder, "evil"), "evil\n");
  await daemon.ok(
    "create",
    "--name",
    "locked",
    "--read-only",
    "-v",
    `${shared}:/ro:ro`,
    "-v",
    `${shared}/file:/deep/one:ro`,
    "-v",
    "/rw",
    "busybox",
    "sleep",
    "600",
  );
  for (const state of ["created", "running"]) {
    for (const [target, reason] of [
      ["/ro/evil", "mounted volume is marked read-only"],
      ["/ro/file", "mounted volume is marked read-only"],
      ["/etc/evil", "container rootfs is marked read-only"],
    ] as const) {
      const copied = await daemon.docker(["cp", join(folder, "evil"), `locked:${target}`]);
      expect(`${state} ${target} ${copied.status} ${copied.stderr}`).toContain(
        `${state} ${target} 1 Error response from daemon: ${reason}`,
      );
    }
    expect((await daemon.docker(["cp", join(folder, "evil"), "locked:/rw/evil"])).stderr).not.toContain("rror");
    expect((await daemon.docker(["cp", "locked:/deep/one", join(folder, `one-${state}`)])).stderr).not.toContain(
      "rror",
    );
    expect(await Bun.file(join(folder, `one-${state}`)).text()).toBe("host\n");
    await daemon.ok("start", "locked");
  }
  expect(await readdir(shared)).toEqual(["file"]);
  expect(await Bun.file(join(shared, "file")).text()).toBe("host\n");
  await daemon.ok("rm", "-f", "-v", "locked");
});

describe.each(["crun", "runc"])("/proc is the kernel's own, with %s", (runtime) => {
  test.each([
    ["a volume", ["-v", "over:/proc"]],
    ["a volume over a part", ["-v", "over:/proc/sys"]],
    ["a tmpfs", ["--tmpfs", "/proc"]],
    ["a tmpfs over a part", ["--tmpfs", "/proc/sys"]],
    ["the host's sysctls", ["-v", "/proc/sys:/proc/sys"]],
  ])("not %s", async (_what, args) => {
    const started = await daemon.docker(["run", "--rm", "--runtime", runtime, ...args, "busybox", "echo", "ran"]);
    expect(started.stdout).toBe("");
    expect(started.stderr).toContain("/proc");
    expect(started.status).not.toBe(0);
  });

  test("nor what a link of the image or of a shared volume leads to it", async () => {
    await hostileImage(`proc-links-${runtime}`, async (root) => {
      await mkdir(join(root, "proc"));
      await symlink("/proc/sys", join(root, "in-image"));
      await symlink("/proc", join(root, "whole"));
    });
    await daemon.ok("run", "--rm", "-v", "shared:/v", "busybox", "ln", "-sfn", "/proc/sys", "/v/link");
    for (const args of [
      ["-v", "over:/in-image"],
      ["-v", "over:/in-image/kernel"],
      ["--tmpfs", "/in-image"],
      ["-v", "over:/whole"],
      ["--tmpfs", "/whole/irq"],
      ["-v", "shared:/v", "-v", "over:/v/link"],
    ]) {
      const started = await daemon.docker([
        "run",
        "--rm",
        "--runtime",
        runtime,
        ...args,
        `proc-links-${runtime}`,
        "/bin/sh",
        "-c",
        "[ -e /proc/sys/kernel/hostname ] && [ -e /proc/irq/0 ] && grep -c ' /proc/sys ro' /proc/self/mountinfo",
      ]);
      // refused, or mounted somewhere else: never over /proc
      if (started.status === 0) expect(started.stdout).toBe("1\n");
      else expect(started.stderr).toMatch(/\/proc|in-image|whole|not a directory/);
    }
  });
});

test("the host's own procfs, and files that lxcfs replaces, may be mounted", async () => {
  expect(await daemon.ok("run", "--rm", "-v", "/proc:/proc", "busybox", "cat", "/proc/1/comm")).not.toBe("cat");
  expect(
    await daemon.ok("run", "--rm", "-v", "/etc/hostname:/proc/cpuinfo:ro", "busybox", "cat", "/proc/cpuinfo"),
  ).toBe((await Bun.file("/etc/hostname").text()).trim());
});

test("a container that has the volume swaps folders while the image's content is copied into it: nothing lands on the host", async () => {
  await hostileImage("content", async (root) => {
    for (const name of ["d1", "d2", "d3"]) {
      await mkdir(join(root, "data", name), { recursive: true });
      for (let index = 0; index < 300; index++) await writeFile(join(root, "data", name, `stolen-${index}`), "x");
    }
  });
  for (let round = 0; round < 6; round++) {
    const volume = `raced-${round}`;
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "swapper",
      "-v",
      `${volume}:/v`,
      "busybox",
      "sh",
      "-c",
      `while :; do for d in /v/d*; do [ -L $d ] || { mv $d /v/x-\${d##*/} && ln -s ${canary} $d; } 2>/dev/null; done; done`,
    );
    await daemon.docker(["run", "--rm", "-v", `${volume}:/data`, "content", "/bin/ls", "/data"]);
    await daemon.ok("rm", "-f", "swapper");
    await untouched();
  }
});
