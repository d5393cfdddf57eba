import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importBusybox, startDaemon, type TestDaemon } from "../harness/daemon.ts";

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

async function importRoot(name: string, make: (root: string) => Promise<unknown>, ...changes: string[]): Promise<void> {
  const root = join(folder, `${name}.root`);
  await mkdir(join(root, "bin"), { recursive: true });
  await Bun.$`cp /bin/busybox ${root}/bin/busybox && ln -s busybox ${root}/bin/sh && ln -s busybox ${root}/bin/ls && ln -s busybox ${root}/bin/cat`.quiet();
  await make(root);
  await Bun.$`tar -C ${root} -cf ${root}.tar .`.quiet();
  await daemon.ok("import", ...changes.flatMap((change) => ["--change", change]), `${root}.tar`, name);
}

/** What only somebody outside sees: the data root's files, the pid file. */
const leaked = /state\.db|^\d+$/m;

const hashes = async (): Promise<string> => {
  const programs = ["/usr/bin/crun", "/usr/sbin/runc", process.execPath];
  return (
    await Promise.all(
      programs.map(async (path) =>
        new Bun.CryptoHasher("sha256").update(await Bun.file(path).arrayBuffer()).digest("hex"),
      ),
    )
  ).join();
};

describe.each(["crun", "runc"])("with %s", (runtime) => {
  test("a container cannot write to the runtime's program while it enters (CVE-2019-5736)", async () => {
    const before = await hashes();
    const attack =
      "while :; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) ;; *) { echo owned > $p/exe; } 2>/dev/null && touch /won; { exec 9<$p/exe; echo owned > /proc/self/fd/9; exec 9<&-; } 2>/dev/null && touch /won; esac; done; done";
    const c = `overwrite-${runtime}`;
    await daemon.ok(
      "run",
      "-d",
      "--name",
      c,
      "--runtime",
      runtime,
      "--cap-add",
      "SYS_PTRACE",
      "busybox",
      "sh",
      "-c",
      attack,
    );
    for (let round = 0; round < 20; round++) await daemon.docker(["exec", c, "/proc/self/exe"]);
    for (let round = 0; round < 5; round++) await daemon.docker(["exec", c, "true"]);
    expect(await hashes()).toBe(before);
    await daemon.ok("rm", "-f", c);
    // and the image whose program is the runtime's own
    await importRoot(`self-${runtime}`, async (root) => {
      await symlink("/proc/self/exe", join(root, "entry"));
      await writeFile(join(root, "script"), "#!/proc/self/exe\n", { mode: 0o755 });
    });
    for (const program of ["/entry", "/script", "/proc/self/exe"])
      await daemon.docker(["run", "--rm", "--runtime", runtime, `self-${runtime}`, program], { timeoutMs: 20_000 });
    expect(await hashes()).toBe(before);
    expect(await daemon.ok("run", "--rm", "--runtime", runtime, "busybox", "echo", "fine")).toBe("fine");
  });

  test("no working directory of an image, a run or an exec leads out by a descriptor (CVE-2024-21626)", async () => {
    const numbers = Array.from({ length: 40 }, (_, index) => index + 3);
    const name = `cwd-${runtime}`;
    await importRoot(name, async (root) => {
      await mkdir(join(root, "l"));
      // folders of these names in the image make the links look sound from outside
      for (const fd of numbers) {
        await symlink(`/proc/self/fd/${fd}`, join(root, "l", String(fd)));
        await mkdir(join(root, "proc/self/fd", String(fd)), { recursive: true });
      }
    });
    const look = [
      "/bin/sh",
      "-c",
      `/bin/ls ../../../../../../../../..${daemon.dataRoot} ; /bin/cat ../../../../../../../../..${daemon.folder}/d.pid`,
    ];
    await daemon.ok("run", "-d", "--name", name, "--runtime", runtime, name, "/bin/busybox", "sleep", "600");
    const seen: string[] = [];
    for (const fd of numbers) {
      const outputs = await Promise.all([
        daemon.docker(["run", "--rm", "--runtime", runtime, "-w", `/l/${fd}`, name, ...look]),
        daemon.docker(["exec", "-w", `/l/${fd}`, name, ...look]),
        daemon.docker(["exec", "-w", `/proc/self/fd/${fd}`, name, ...look]),
      ]);
      seen.push(...outputs.map(({ stdout }) => stdout));
    }
    expect(seen.join("")).not.toMatch(leaked);
    await daemon.ok("rm", "-f", name);
    // as an image says it, and by a link in a volume that is mounted over a sound folder
    await daemon.ok("import", "--change", "WORKDIR /l/7", join(folder, `${name}.root.tar`), `${name}-image`);
    expect((await daemon.docker(["run", "--rm", "--runtime", runtime, `${name}-image`, ...look])).stdout).not.toMatch(
      leaked,
    );
    await daemon.ok(
      "run",
      "--rm",
      "-v",
      "links:/v",
      "busybox",
      "sh",
      "-c",
      `for i in ${numbers.join(" ")}; do ln -sfn /proc/self/fd/$i /v/$i; done`,
    );
    for (const fd of numbers.slice(0, 12))
      expect(
        (await daemon.docker(["run", "--rm", "--runtime", runtime, "-v", "links:/v", "-w", `/v/${fd}`, name, ...look]))
          .stdout,
      ).not.toMatch(leaked);
  });
});

test("containers that swap the folders they share while others are made reach nothing of the host (CVE-2021-30465, -31133, -52881)", async () => {
  const canary = join(folder, "canary");
  await mkdir(canary);
  await writeFile(join(canary, "secret"), "host\n");
  // the volume's folders flip between folders and links to the host's; others mount there, with /dev and /proc below
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "flipper",
    "-v",
    "flip:/v",
    "busybox",
    "sh",
    "-c",
    `mkdir -p /v/a; while :; do mv /v/a /v/b; ln -s ${canary} /v/a; rm /v/a; ln -s /proc /v/a; rm /v/a; ln -s / /v/a; rm /v/a; mv /v/b /v/a; done 2>/dev/null`,
  );
  const outputs: string[] = [];
  await Promise.all(
    Array.from({ length: 3 }, async () => {
      for (let round = 0; round < 8; round++) {
        const one = await daemon.docker(
          [
            "run",
            "--rm",
            "-v",
            "flip:/v",
            "-v",
            "other:/v/a/inner",
            "--tmpfs",
            "/v/a/tmp",
            "busybox",
            "sh",
            "-c",
            "cat /v/a/secret /v/a/inner/../secret; grep -v ' proc ' /proc/self/mountinfo | grep -c ' /proc'",
          ],
          { timeoutMs: 30_000 },
        );
        outputs.push(one.stdout);
      }
    }),
  );
  expect(await readdir(canary)).toEqual(["secret"]);
  expect(outputs.join("")).not.toContain("host");
  await daemon.ok("rm", "-f", "flipper");
});
