import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestDaemon } from "./daemon.ts";
import { bridgeOf, mounts } from "./daemon.ts";
import { run } from "./run.ts";

/** All that containers make on this machine, to be compared with what was there before. */
export interface Leftovers {
  readonly mounts: number;
  readonly namespaces: string[];
  readonly bundles: string[];
  readonly containers: string[];
  readonly snapshots: number;
  readonly cgroups: string[];
  readonly links: string[];
  readonly elements: string;
  readonly volumes: string;
}

const list = (folder: string): Promise<string[]> =>
  readdir(folder).then(
    (names) => names.sort(),
    () => [],
  );

/** Looks at mounts, namespaces, folders, cgroups, interfaces and port maps of a daemon that has no containers. */
export async function leftovers(daemon: TestDaemon): Promise<Leftovers> {
  const bridge = await bridgeOf(daemon);
  const links = (await run(["ip", "-o", "link", "show", "master", bridge])).stdout.split("\n").filter(Boolean);
  // The engine's tables have its bridge's name; those of other engines on this machine are not ours to look at.
  const tables = (await run(["nft", "list", "tables"])).stdout
    .split("\n")
    .filter((line) => line.endsWith(` ${bridge}`));
  const rules = await Promise.all(
    tables.map(async (table) => (await run(["nft", "list", ...table.split(" ")])).stdout),
  );
  return {
    mounts: (await mounts(daemon.folder)).length,
    namespaces: await list(join(daemon.execRoot, "netns")),
    bundles: await list(join(daemon.execRoot, "c")),
    containers: await list(join(daemon.dataRoot, "containers")),
    snapshots: (await snapshotsOf(daemon)).length,
    cgroups: await cgroupsOf(daemon),
    links: links.map((line) => line.split(": ")[1] ?? ""),
    elements: rules
      .flatMap((text) => text.match(/elements = \{[^}]*\}/g) ?? [])
      .sort()
      .join("\n"),
    volumes: await daemon.ok("volume", "ls", "-q"),
  };
}

/** Writable snapshots: folders that hold an `upper`. */
async function snapshotsOf(daemon: TestDaemon): Promise<string[]> {
  return Array.fromAsync(
    new Bun.Glob("snapshots/**/work").scan({ cwd: daemon.dataRoot, onlyFiles: false, dot: true }),
  ).catch(() => []);
}

/** Cgroups below /berth whose name is an id that this daemon's log mentions; others belong to other engines. */
async function cgroupsOf(daemon: TestDaemon): Promise<string[]> {
  const all = new Set(
    (
      await Promise.all(["pids", "memory", "unified"].map((controller) => list(`/sys/fs/cgroup/${controller}/berth`)))
    ).flat(),
  );
  // by the API: the CLI cuts the time to seconds, and would wait for the next one
  const filters = encodeURIComponent(JSON.stringify({ event: ["create"] }));
  const until = (Date.now() / 1000).toFixed(3);
  const events = await (await daemon.request("GET", `/v1.43/events?since=1&until=${until}&filters=${filters}`)).text();
  return [...all].filter((name) => /^[0-9a-f]{64}$/.test(name) && events.includes(name)).sort();
}

/** Open descriptors of a process. */
export const descriptors = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

export const resident = async (pid: number): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
