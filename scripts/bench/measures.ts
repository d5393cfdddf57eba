import { readFileSync } from "node:fs";
import type { BenchDaemon } from "./daemon.ts";

const mb = (kilobytes: number): string => `${(kilobytes / 1024).toFixed(1)} MB`;

/** Proportional set size of the engine's processes, in kB. */
function pss(daemon: BenchDaemon): number {
  return daemon
    .pids()
    .reduce(
      (sum, pid) => sum + Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0),
      0,
    );
}

export async function idleMemory(daemon: BenchDaemon): Promise<string> {
  await daemon.restart();
  await Bun.sleep(3000); // idle is a time, not a condition
  return mb(pss(daemon));
}

async function median(times: number, work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let run = 0; run < times; run++) {
    const startedAt = performance.now();
    await work();
    taken.push(performance.now() - startedAt);
  }
  return taken.sort((a, b) => a - b)[times >> 1] ?? 0;
}

export async function psSpeed(daemon: BenchDaemon): Promise<string> {
  const ps = (program: string) => () =>
    Bun.spawn([program, "-H", `unix://${daemon.socket}`, "ps"], { stdio: ["ignore", "ignore", "inherit"] }).exited;
  const [ours, docker] = [await median(21, ps("dist/berth")), await median(21, ps("docker"))];
  return `${ours.toFixed(1)} ms / ${docker.toFixed(1)} ms = ${(ours / docker).toFixed(2)} x`;
}

async function runMany(daemon: BenchDaemon, count: number): Promise<void> {
  if ((await daemon.docker("images", "-q", "busybox")) === "")
    await Bun.spawn(["dist/berth", "-H", `unix://${daemon.socket}`, "image", "make-busybox", "busybox:latest"], {
      stdio: ["ignore", "ignore", "inherit"],
    }).exited;
  let left = count;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await daemon.docker("run", "-d", "busybox", "sleep", "6000");
    }),
  );
}

export async function memoryPerContainer(daemon: BenchDaemon, count: number): Promise<string> {
  await runMany(daemon, 1);
  await Bun.sleep(3000);
  const before = pss(daemon);
  await runMany(daemon, count);
  await Bun.sleep(3000);
  return mb((pss(daemon) - before) / count);
}

export async function restartTime(daemon: BenchDaemon, count: number): Promise<string> {
  const running = (await daemon.docker("ps", "-q")).split("\n").filter(Boolean).length;
  await runMany(daemon, count - running);
  const taken = [await daemon.restart(), await daemon.restart(), await daemon.restart()].sort((a, b) => a - b);
  return `${taken[1]?.toFixed(0)} ms`;
}
