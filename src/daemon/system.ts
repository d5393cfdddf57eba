import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, hostname, release } from "node:os";
import { join } from "node:path";
import type { SystemInfo } from "../api/system-info.ts";
import { buildInfo } from "../base/build-info.ts";
import type { CreateHost } from "../containers/create/defaults.ts";
import { logDrivers } from "../logs/drivers.ts";
import { hostMemoryBytes } from "../metrics/host.ts";
import { networkDrivers } from "../networks/drivers.ts";
import { volumeDriverNames } from "../volumes/drivers.ts";
import type { Config } from "./config-table.ts";
import { findProgram, type FoundRuntimes } from "./runtimes.ts";
import type { Proxies } from "./value-kinds.ts";

export interface SystemOptions {
  /** In force now: a reload is seen at the next look. */
  readonly config: () => Config;
  readonly proxies: () => Proxies;
  readonly id: string;
  readonly host: CreateHost;
  readonly runtimes: () => FoundRuntimes;
  readonly storageDriver: string;
  readonly initPath: string;
  readonly startedAtNs: bigint;
  readonly eventListeners: () => number;
}

/** Facts about this engine for /info and /version. What a reload can change is read at each look. */
export function systemInfo({
  config,
  proxies,
  id,
  host,
  runtimes,
  storageDriver,
  initPath,
  startedAtNs,
  eventListeners,
}: SystemOptions): SystemInfo {
  const { name: operatingSystem, version: osVersion } = readOsRelease();
  const { cgroup } = host;
  return {
    id,
    version: buildInfo.version,
    gitCommit: buildInfo.gitCommit,
    buildTime: buildInfo.buildTime,
    dataRoot: config()["data-root"],
    storageDriver,
    storageStatus: [
      ["Backing Filesystem", fileSystemType(config()["data-root"])],
      ["Supports d_type", "true"],
      ["Native Overlay Diff", "true"],
    ],
    get loggingDriver() {
      return config()["log-driver"];
    },
    cgroupDriver: "cgroupfs",
    cgroupVersion: host.cgroupVersion === 2 ? "2" : "1",
    get defaultRuntime() {
      return runtimes().default;
    },
    get runtimes() {
      return Object.fromEntries(
        [...runtimes().all].map(([name, { choice, version }]) => [
          name,
          { path: choice.path, args: choice.args, version: version.replace(/^\S+ version /, "") },
        ]),
      );
    },
    initPath,
    kernelVersion: release(),
    operatingSystem,
    osVersion,
    hostname: hostname(),
    cpus: cpus().length,
    memoryBytes: hostMemoryBytes,
    get labels() {
      return config().label;
    },
    get debug() {
      return config().debug || config()["log-level"] === "debug";
    },
    startedAtNs,
    get registryMirrors() {
      return config()["registry-mirror"].map((url) => (url.endsWith("/") ? url : `${url}/`)); // moby parity
    },
    get insecureRegistries() {
      return config()["insecure-registry"];
    },
    get proxies() {
      const { http, https, no } = proxies();
      return { http: withoutPassword(http), https: withoutPassword(https), no };
    },
    defaultAddressPools: config()["default-address-pool"],
    plugins: { volume: volumeDriverNames, network: Object.keys(networkDrivers), log: Object.keys(logDrivers) },
    capabilities: {
      memoryLimit: cgroup.memory,
      swapLimit: cgroup.swap,
      cpuCfsPeriod: cgroup.cpuCfs,
      cpuCfsQuota: cgroup.cpuCfs,
      cpuShares: cgroup.cpuShares,
      cpuSet: cgroup.cpuset,
      pidsLimit: cgroup.pids,
      oomKillDisable: cgroup.oomKillDisable,
      get ipv4Forwarding() {
        return readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1";
      },
    },
    securityOptions: [
      ...(host.apparmor ? ["name=apparmor"] : []),
      ...(host.seccomp ? [`name=seccomp,profile=${config()["seccomp-profile"] || "builtin"}`] : []),
      ...(host.cgroupNamespaces && host.cgroupVersion === 2 ? ["name=cgroupns"] : []),
    ],
    get warnings() {
      return warnings(config(), host, runtimes());
    },
    counters: () => ({ files: readdirSync("/proc/self/fd").length, goroutines: 0, eventListeners: eventListeners() }),
  };
}

// moby's texts, as `docker info` prints them
function warnings(config: Config, { cgroup }: CreateHost, runtimes: FoundRuntimes): string[] {
  const open = config.host.filter((host) => host.startsWith("tcp://") && !config.tlsverify);
  return [
    ...open.map(
      (host) =>
        `WARNING: API is accessible on ${host.replace("tcp://", "http://")} without encryption.\n         Access to the remote API is equivalent to root access on the host.`,
    ),
    ...(cgroup.memory ? [] : ["WARNING: No memory limit support"]),
    ...(cgroup.swap ? [] : ["WARNING: No swap limit support"]),
    ...(cgroup.cpuCfs ? [] : ["WARNING: No cpu cfs quota support"]),
    ...(cgroup.cpuShares ? [] : ["WARNING: No cpu shares support"]),
    ...(cgroup.cpuset ? [] : ["WARNING: No cpuset support"]),
    ...(cgroup.pids ? [] : ["WARNING: No pids limit support"]),
    ...(runtimes.reason === "" ? [] : [`WARNING: ${runtimes.reason}`]),
  ];
}

/** A proxy's address as everybody may read it. */
function withoutPassword(address: string): string {
  const url = URL.parse(address.includes("://") || address === "" ? address : `http://${address}`);
  return url === null || (url.username === "" && url.password === "")
    ? address
    : `${url.protocol}//xxxxx:xxxxx@${url.host}`; // moby parity
}

/** The engine's id: made once per data root. */
export async function engineId(dataRoot: string): Promise<string> {
  const file = join(dataRoot, "engine-id");
  try {
    const id = (await readFile(file, "utf8")).trim();
    if (id !== "") return id;
  } catch {
    // the first start of this data root
  }
  const id = crypto.randomUUID();
  await mkdir(dataRoot, { recursive: true });
  await writeFile(file, `${id}\n`, { mode: 0o600 });
  return id;
}

/** The init of `--init`: must be static, the container has no libraries for it. */
export function findInit(configured: string): string {
  const candidates =
    configured === "" ? ["docker-init", "/usr/libexec/docker/docker-init", "tini-static", "catatonit"] : [configured];
  return candidates.map(findProgram).find((path) => path !== undefined) ?? "";
}

// os-release(5)
function readOsRelease(): { name: string; version: string } {
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    // a host without it: only shown
  }
  const value = (key: string): string => new RegExp(`^${key}="?(.*?)"?$`, "m").exec(text)?.[1] ?? "";
  return { name: value("PRETTY_NAME") || "Linux", version: value("VERSION_ID") };
}

function fileSystemType(folder: string): string {
  const device = statSync(folder).dev;
  const wanted = `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`; // makedev(3)
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((entry) => entry.split(" ")[2] === wanted);
  const type = line?.split(" - ")[1]?.split(" ")[0] ?? "unknown";
  return type.startsWith("ext") ? "extfs" : type; // moby parity
}
