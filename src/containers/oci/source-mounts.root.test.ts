import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { $ } from "bun";
import { failure, openBench } from "./runtime.fixture.ts";

test.each(["crun", "runc"])("with %s binds propagate as asked, where their source can", async (runtime) => {
  await using bench = await openBench(runtime);
  const [shared, own] = [join(bench.folder, "shared"), join(bench.folder, "own")];
  await mkdir(shared);
  await mkdir(own);
  await $`mount -t tmpfs shared ${shared} && mount --make-shared ${shared}`.quiet();
  await using _shared = { [Symbol.asyncDispose]: async () => void (await $`umount ${shared}`.quiet()) };
  await $`mount -t tmpfs own ${own} && mount --make-private ${own}`.quiet();
  await using _own = { [Symbol.asyncDispose]: async () => void (await $`umount ${own}`.quiet()) };
  const look = "grep ' /x ' /proc/self/mountinfo | cut -d' ' -f7";
  const bind = (source: string, mode: string) => bench.sh(look, { HostConfig: { Binds: [`${source}:/x${mode}`] } });

  expect(await bind(shared, "")).toBe("-\n");
  expect(await bind(shared, ":rslave")).toMatch(/^master:\d+\n$/);
  expect(await bind(shared, ":rshared")).toMatch(/^shared:\d+\n$/);
  expect(await failure(bind(own, ":rshared"))).toBe(`path ${own} is mounted on ${own} but it is not a shared mount`);
  expect(await failure(bind(own, ":slave"))).toBe(
    `path ${own} is mounted on ${own} but it is not a shared or slave mount`,
  );
  // the data root's parent is a slave by default, but only where that is possible
  expect(await bench.sh(look, { HostConfig: { Binds: ["/:/x"] } }, { dataRoot: "/var/lib/berth" })).toMatch(
    /^(-|master:\d+)\n/,
  );
});

test.each(["crun", "runc"])("with %s a bind keeps the flags of its source's mount", async (runtime) => {
  await using bench = await openBench(runtime);
  const [source, strict] = [join(bench.folder, "source"), join(bench.folder, "strict mount")];
  await mkdir(source);
  await mkdir(strict);
  await $`mount --bind ${source} ${strict}`.quiet();
  await using _strict = { [Symbol.asyncDispose]: async () => void (await $`umount ${strict}`.quiet()) };
  await $`mount -o remount,bind,ro,nosuid,nodev,noexec,noatime ${strict}`.quiet();
  const out = await bench.sh("grep ' /x ' /proc/mounts; grep ' /y ' /proc/mounts; touch /x/written 2>&1; true", {
    HostConfig: { Binds: [`${strict}:/x`, `${strict}:/y:ro`] },
  });
  expect(out.match(/ ro,nosuid,nodev,noexec,noatime/g)).toHaveLength(2);
  expect(out).toContain("Read-only file system");
  const shm = await bench.sh(
    "grep /dev/shm /proc/mounts",
    { HostConfig: { IpcMode: "shareable" } },
    { shmPath: strict },
  );
  expect(shm).toContain("nosuid,nodev,noexec");
});
