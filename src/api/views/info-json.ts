import { nowNs, rfc3339 } from "../../base/clock.ts";
import type { ApiDeps } from "../deps.ts";

/** GET /info as API 1.51 has it. */
export function infoJson({ system, containers, images }: Pick<ApiDeps, "system" | "containers" | "images">) {
  const list = containers.list();
  const running = list.filter(({ state }) => state.status === "running" || state.status === "restarting").length;
  const paused = list.filter(({ state }) => state.status === "paused").length;
  const { capabilities, counters } = { capabilities: system.capabilities, counters: system.counters() };
  return {
    ID: system.id,
    Containers: list.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: list.length - running - paused,
    Images: images.list().length,
    Driver: system.storageDriver,
    DriverStatus: system.storageStatus,
    Plugins: {
      Volume: system.plugins.volume,
      Network: system.plugins.network,
      Authorization: null,
      Log: system.plugins.log,
    },
    MemoryLimit: capabilities.memoryLimit,
    SwapLimit: capabilities.swapLimit,
    KernelMemoryTCP: false,
    CpuCfsPeriod: capabilities.cpuCfsPeriod,
    CpuCfsQuota: capabilities.cpuCfsQuota,
    CPUShares: capabilities.cpuShares,
    CPUSet: capabilities.cpuSet,
    PidsLimit: capabilities.pidsLimit,
    IPv4Forwarding: capabilities.ipv4Forwarding,
    Debug: system.debug,
    NFd: counters.files,
    OomKillDisable: capabilities.oomKillDisable,
    NGoroutines: counters.goroutines,
    SystemTime: rfc3339(nowNs()),
    LoggingDriver: system.loggingDriver,
    CgroupDriver: system.cgroupDriver,
    CgroupVersion: system.cgroupVersion,
    NEventsListener: counters.eventListeners,
    KernelVersion: system.kernelVersion,
    OperatingSystem: system.operatingSystem,
    OSVersion: system.osVersion,
    OSType: "linux",
    Architecture: process.arch === "x64" ? "x86_64" : process.arch === "arm64" ? "aarch64" : process.arch,
    IndexServerAddress: "https://index.docker.io/v1/", // the name clients know Docker Hub by; nothing is fetched
    RegistryConfig: registryConfig(system),
    NCPU: system.cpus,
    MemTotal: system.memoryBytes,
    GenericResources: null,
    DockerRootDir: system.dataRoot,
    HttpProxy: system.proxies.http,
    HttpsProxy: system.proxies.https,
    NoProxy: system.proxies.no,
    Name: system.hostname,
    Labels: system.labels,
    ExperimentalBuild: false,
    ServerVersion: system.version,
    Runtimes: Object.fromEntries(
      Object.entries(system.runtimes).map(([name, { path, args }]) => [
        name,
        { path, ...(args.length > 0 && { runtimeArgs: args }) },
      ]),
    ),
    DefaultRuntime: system.defaultRuntime,
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: "",
    InitBinary: system.initPath,
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: system.runtimes["runc"]?.version ?? "" },
    InitCommit: { ID: "" },
    SecurityOptions: system.securityOptions,
    ...(system.defaultAddressPools.length > 0 && {
      DefaultAddressPools: system.defaultAddressPools.map(({ base, size }) => ({ Base: base, Size: size })),
    }),
    FirewallBackend: { Driver: "nftables" },
    CDISpecDirs: [],
    Warnings: system.warnings.length > 0 ? system.warnings : null,
  };
}

function registryConfig(system: ApiDeps["system"]) {
  const mirrors = [...system.registryMirrors];
  const cidrs = ["::1/128", "127.0.0.0/8"];
  const insecure = system.insecureRegistries.filter((entry) => !entry.includes("/"));
  return {
    IndexConfigs: {
      "docker.io": { Mirrors: mirrors, Name: "docker.io", Official: true, Secure: true },
      ...Object.fromEntries(
        insecure.map((name) => [name, { Mirrors: [], Name: name, Official: false, Secure: false }]),
      ),
    },
    InsecureRegistryCIDRs: [...cidrs, ...system.insecureRegistries.filter((entry) => entry.includes("/"))],
    Mirrors: mirrors,
  };
}
