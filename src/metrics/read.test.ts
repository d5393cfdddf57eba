import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseHostCpu } from "./host.ts";
import { parseNetDev } from "./network-counters.ts";
import { readStats } from "./read.ts";

let root = "";
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "berth-metrics-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function files(folder: string, contents: Record<string, string>): void {
  mkdirSync(join(root, folder), { recursive: true });
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(root, folder, name), text);
}

test("version 1: reads each controller's own tree", async () => {
  files("cpuacct/docker/c1", {
    "cpuacct.usage": "5000000000\n",
    "cpuacct.usage_percpu": "2000000000 3000000000 \n",
    "cpuacct.stat": "user 300\nsystem 200\n",
  });
  files("cpu/docker/c1", { "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 77\n" });
  files("memory/docker/c1", {
    "memory.usage_in_bytes": "4096\n",
    "memory.max_usage_in_bytes": "8192\n",
    "memory.limit_in_bytes": "67108864\n",
    "memory.failcnt": "3\n",
    "memory.stat": "cache 1\nrss 2\ntotal_inactive_file 9\n",
  });
  files("blkio/docker/c1", {
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 100\n8:0 Write 50\n8:0 Total 150\nTotal 150\n",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 2\nTotal 2\n",
  });
  files("pids/docker/c1", { "pids.current": "7\n", "pids.max": "max\n" });
  const stats = await readStats(
    { cgroup: "/docker/c1", pid: 0 },
    { version: 1, unified: "", controller: (name) => join(root, name) },
  );
  expect(stats.cpu).toMatchObject({
    totalNs: 5e9,
    userNs: 3e9,
    kernelNs: 2e9,
    perCpuNs: [2e9, 3e9],
    periods: 10,
    throttledPeriods: 4,
    throttledNs: 77,
  });
  expect(stats.memory).toEqual({
    usage: 4096,
    maxUsage: 8192,
    limit: 67108864,
    failures: 3,
    stats: { cache: 1, rss: 2, total_inactive_file: 9 },
  });
  expect(stats.blkio.serviceBytes).toEqual([
    { major: 8, minor: 0, op: "Read", value: 100 },
    { major: 8, minor: 0, op: "Write", value: 50 },
    { major: 8, minor: 0, op: "Total", value: 150 },
  ]);
  expect(stats.blkio.serviced).toEqual([{ major: 8, minor: 0, op: "Read", value: 2 }]);
  expect(stats.pids).toEqual({ current: 7, limit: 0 });
  expect([stats.cgroupVersion, stats.networks]).toEqual([1, {}]);
  expect(stats.cpu.systemNs).toBeGreaterThan(1e9);
  expect(stats.cpu.onlineCpus).toBeGreaterThan(0);
});

test("version 2: one tree, microseconds become nanoseconds, no limit is the host's memory", async () => {
  files("docker/c1", {
    "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n",
    "memory.stat": "anon 1\ninactive_file 2\n",
    "io.stat": "8:0 rbytes=100 wbytes=50 rios=2 wios=1 dbytes=0 dios=0\n",
    "pids.current": "2\n",
    "pids.max": "99\n",
  });
  const stats = await readStats(
    { cgroup: "/docker/c1", pid: 0 },
    { version: 2, unified: root, controller: () => undefined },
  );
  expect(stats.cpu).toMatchObject({ totalNs: 5e6, userNs: 3e6, kernelNs: 2e6, perCpuNs: [], throttledNs: 9000 });
  expect(stats.memory).toEqual({
    usage: 4096,
    maxUsage: 0,
    limit: totalmem(),
    failures: 6,
    stats: { anon: 1, inactive_file: 2 },
  });
  expect(stats.blkio).toEqual({
    serviceBytes: [
      { major: 8, minor: 0, op: "read", value: 100 },
      { major: 8, minor: 0, op: "write", value: 50 },
    ],
    serviced: [
      { major: 8, minor: 0, op: "read", value: 2 },
      { major: 8, minor: 0, op: "write", value: 1 },
    ],
  });
  expect(stats.pids).toEqual({ current: 2, limit: 99 });
});

test("a container that is gone reads as zeros", async () => {
  const stats = await readStats(
    { cgroup: "/docker/gone", pid: 0x3fffffff },
    { version: 2, unified: root, controller: () => undefined },
  );
  expect([stats.cpu.totalNs, stats.memory.usage, stats.memory.limit, stats.pids.current, stats.networks]).toEqual([
    0,
    0,
    0,
    0,
    {},
  ]);
});

test("this host's own cgroups can be read", async () => {
  const { cpu, memory } = await readStats({ cgroup: "/", pid: process.pid });
  expect(cpu.totalNs).toBeGreaterThan(0);
  expect(memory.usage).toBeGreaterThanOrEqual(0);
});

test("a process in the host's network has no counters of its own", async () => {
  expect((await readStats({ cgroup: "/", pid: process.pid })).networks).toEqual({});
});

test("interfaces are told apart, loopback left out, tight columns read right", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0
  eth0:123456789012  1001    2    3    0     0          0         0     2002      20    4    5    0     0       0          0
`;
  expect(parseNetDev(text)).toEqual({
    eth0: {
      rxBytes: 123456789012,
      rxPackets: 1001,
      rxErrors: 2,
      rxDropped: 3,
      txBytes: 2002,
      txPackets: 20,
      txErrors: 4,
      txDropped: 5,
    },
  });
});

test("host cpu time leaves out steal and guest", () => {
  expect(
    parseHostCpu("cpu  1 2 3 4 5 6 7 800 900 0\ncpu0 1 2 3 4 5 6 7 8 9 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 5\n"),
  ).toEqual({ systemNs: 280_000_000, onlineCpus: 2 });
});
