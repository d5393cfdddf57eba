import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { $ } from "bun";
import { failure, openBench, untilRunning } from "./runtime.fixture.ts";

/** A folder of the host that nothing may write to. */
async function openTrap() {
  const path = await mkdtemp(join(tmpdir(), "berth-trap-"));
  return {
    path,
    found: () => readdir(path),
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

describe.each(["crun", "runc"])("with %s", (runtime) => {
  test.each(["proc", "sys", "dev"])(
    "a rootfs whose /%s is a link is refused and the host untouched",
    async (folder) => {
      await using trap = await openTrap();
      await using bench = await openBench(runtime);
      await $`rm -rf ${bench.rootfs}/${folder} && ln -s ${trap.path} ${bench.rootfs}/${folder}`.quiet();
      expect(await failure(bench.run({ Cmd: ["true"] }))).toContain(
        `unsafe root file system: /${folder} is a symbolic link`,
      );
      expect(await trap.found()).toEqual([]);
    },
  );

  test.each(["etc", "run", "dev/pts", "dev/shm", "etc/hosts", "etc/resolv.conf", "proc/self", "sbin"])(
    "links at /%s lead nowhere on the host",
    async (name) => {
      await using trap = await openTrap();
      await using bench = await openBench(runtime);
      await $`rm -rf ${bench.rootfs}/${name} && ln -s ${join(trap.path, "x")} ${bench.rootfs}/${name}`.quiet();
      const { code, stdout } = await bench.run({ Cmd: ["/bin/sh", "-c", "echo ran; cat /etc/hosts"] });
      // to refuse is as good as to run inside
      if (code === 0) expect(stdout).toContain("ran");
      expect(await trap.found()).toEqual([]);
    },
  );

  test("a working directory that is a link to a descriptor never leads out (CVE-2024-21626)", async () => {
    await using bench = await openBench(runtime);
    const links = Array.from({ length: 12 }, (_, index) => index + 3);
    const outcomes: string[] = [];
    await mkdir(join(bench.rootfs, "l"));
    for (const link of links) await symlink(`/proc/self/fd/${link}`, join(bench.rootfs, "l", String(link)));
    await $`mkfifo ${bench.rootfs}/gate`.quiet();
    await bench.run(
      { Cmd: ["sh", "-c", "read line < /gate"] },
      {
        whileRunning: async (id, state) => {
          await untilRunning(id, state, runtime);
          for (const link of links)
            outcomes.push(
              await $`${runtime} --root ${state} exec --cwd /l/${link} ${id} ls ${`../../../../../../..${bench.folder}`}`
                .nothrow()
                .text(),
            );
          await Bun.write(join(bench.rootfs, "gate"), "go\n");
        },
      },
    );
    expect(outcomes).toHaveLength(links.length);
    expect(outcomes.join("")).toBe("");
  });

  test("image paths and volumes with links inside stay inside", async () => {
    await using trap = await openTrap();
    await using bench = await openBench(runtime);
    const shared = join(bench.folder, "shared");
    await mkdir(shared);
    await $`ln -s ${trap.path} ${shared}/out`.quiet();
    await bench.run({
      Cmd: ["true"],
      WorkingDir: "/v/w",
      HostConfig: { Binds: [`${shared}:/v`, `${shared}:/v/out/deep`] },
    });
    expect(await trap.found()).toEqual([]);
  });
});
