import { join } from "node:path";
import { expect, test } from "bun:test";
import { $ } from "bun";
import { normalized } from "../create/request.fixture.ts";
import { buildResources } from "./cgroup.ts";
import { readSpecHost } from "./host.ts";
import { openBench, untilRunning } from "./runtime.fixture.ts";

const limits = { Memory: 64 << 20, PidsLimit: 50, CpuQuota: 20000 };

test.each(["crun", "runc"])("%s changes the limits of a running container, and takes them away", async (runtime) => {
  await using bench = await openBench(runtime);
  await $`mkfifo ${bench.rootfs}/gate`.quiet();
  const seen: string[] = [];
  const files = [
    ["pids", "pids.max"],
    ["memory", "memory.limit_in_bytes"],
    ["memory", "memory.memsw.limit_in_bytes"],
    ["cpu", "cpu.cfs_quota_us"],
  ];
  let previous = normalized({ HostConfig: limits }).plan.resources;
  const change = async (id: string, state: string, more: Partial<typeof previous>): Promise<void> => {
    const next = { ...previous, ...more };
    const file = join(bench.folder, "resources.json");
    await Bun.write(file, JSON.stringify(buildResources(next, readSpecHost(), new Map(), { previous })));
    await $`${runtime} --root ${state} update -r ${file} ${id}`.quiet();
    previous = next;
    const values = files.map(([controller, name]) =>
      Bun.file(`/sys/fs/cgroup/${controller}/berth/${id}/${name}`).text(),
    );
    seen.push((await Promise.all(values)).map((value) => value.trim()).join(" "));
  };
  await bench.run(
    { Cmd: ["sh", "-c", "read line < /gate"], HostConfig: limits },
    {
      whileRunning: async (id, state) => {
        await untilRunning(id, state, runtime);
        try {
          await change(id, state, { memory: 128 << 20, memorySwap: 256 << 20, pids: 60 });
          await change(id, state, { memory: 32 << 20, memorySwap: 40 << 20, cpuQuotaUs: 30000 });
          await change(id, state, { memorySwap: -1, pids: 0, cpuQuotaUs: -1 });
        } finally {
          await Bun.write(join(bench.rootfs, "gate"), "go\n");
        }
      },
    },
  );
  expect(seen).toEqual([
    "60 134217728 268435456 20000",
    "60 33554432 41943040 30000",
    // no limit: more than the machine can have
    "4194304 33554432 9223372036854771712 17592186044415",
  ]);
});
