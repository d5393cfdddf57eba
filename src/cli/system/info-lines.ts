import type { SystemInfo } from "../../spec/engine/types.gen.ts";
import { bytesSize } from "../render/units.ts";

/** The server's half of `info`, in docker's order and indentation. */
export function infoLines(info: SystemInfo): string[] {
  return [...counts(info), ...drivers(info), ...runtimes(info), ...host(info), ...settings(info)];
}

/** ` Label: value`, or nothing for an empty value. */
const line = (label: string, value: unknown): string[] =>
  value === undefined || value === null || value === "" ? [] : [` ${label}: ${String(value)}`];

function counts(info: SystemInfo): string[] {
  return [
    ` Containers: ${info.Containers ?? 0}`,
    `  Running: ${info.ContainersRunning ?? 0}`,
    `  Paused: ${info.ContainersPaused ?? 0}`,
    `  Stopped: ${info.ContainersStopped ?? 0}`,
    ` Images: ${info.Images ?? 0}`,
    ...line("Server Version", info.ServerVersion),
  ];
}

function drivers(info: SystemInfo): string[] {
  const plugins = info.Plugins ?? {};
  return [
    ...line("Storage Driver", info.Driver),
    ...(info.DriverStatus ?? []).map(([name = "", value = ""]) => `  ${name}: ${value}`),
    ...line("Logging Driver", info.LoggingDriver),
    ...line("Cgroup Driver", info.CgroupDriver),
    ...line("Cgroup Version", info.CgroupVersion),
    " Plugins:",
    `  Volume: ${(plugins.Volume ?? []).join(" ")}`,
    `  Network: ${(plugins.Network ?? []).join(" ")}`,
    ...((plugins.Authorization ?? []).length > 0
      ? [`  Authorization: ${(plugins.Authorization ?? []).join(" ")}`]
      : []),
    `  Log: ${(plugins.Log ?? []).join(" ")}`,
    ...section(" CDI spec directories:", info.CDISpecDirs ?? []),
    ` Swarm: ${info.Swarm?.LocalNodeState || "inactive"}`,
  ];
}

const section = (title: string, rows: readonly string[]): string[] =>
  rows.length === 0 ? [] : [title, ...rows.map((row) => `  ${row}`)];

function runtimes(info: SystemInfo): string[] {
  const names = Object.keys(info.Runtimes ?? {}).sort();
  const commit = (label: string, value: SystemInfo["RuncCommit"]): string[] =>
    value === undefined || value === null ? [] : [` ${label} version: ${value.ID ?? ""}`];
  return [
    ...(names.length === 0 ? [] : [` Runtimes: ${names.join(" ")}`, ` Default Runtime: ${info.DefaultRuntime ?? ""}`]),
    ...line("Init Binary", info.InitBinary),
    ...commit("containerd", info.ContainerdCommit),
    ...commit("runc", info.RuncCommit),
    ...commit("init", info.InitCommit),
    ...security(info.SecurityOptions ?? []),
  ];
}

/** `name=seccomp,profile=default` is the name, and its options below it. */
function security(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const rows = options.flatMap((option) => {
    const pairs = option.split(",").map((pair) => pair.split("=") as [string, string?]);
    const name = pairs.find(([key]) => key === "name")?.[1] ?? option;
    return [
      `  ${name}`,
      ...pairs
        .filter(([key]) => key !== "name")
        .map(([key, value = ""]) => `   ${key === "profile" ? "Profile" : key}: ${value}`),
    ];
  });
  return [" Security Options:", ...rows];
}

function host(info: SystemInfo): string[] {
  return [
    ...line("Kernel Version", info.KernelVersion),
    ...line("Operating System", info.OperatingSystem),
    ...line("OSType", info.OSType),
    ...line("Architecture", info.Architecture),
    ` CPUs: ${info.NCPU ?? 0}`,
    ` Total Memory: ${bytesSize(info.MemTotal ?? 0)}`,
    ...line("Name", info.Name),
    ...line("ID", info.ID),
    ` Docker Root Dir: ${info.DockerRootDir ?? ""}`,
    ` Debug Mode: ${info.Debug === true}`,
    ...(info.Debug === true
      ? [
          `  File Descriptors: ${info.NFd ?? 0}`,
          `  Goroutines: ${info.NGoroutines ?? 0}`,
          `  System Time: ${info.SystemTime ?? ""}`,
          `  EventsListeners: ${info.NEventsListener ?? 0}`,
        ]
      : []),
  ];
}

function settings(info: SystemInfo): string[] {
  const registries = info.RegistryConfig;
  const insecure = [
    ...Object.values(registries?.IndexConfigs ?? {}).flatMap(({ Name, Secure }) =>
      Secure === true ? [] : [Name ?? ""],
    ),
    ...(registries?.InsecureRegistryCIDRs ?? []),
  ];
  const pools = (info.DefaultAddressPools ?? []).map(({ Base, Size }) => ` Base: ${Base ?? ""}, Size: ${Size ?? 0}`);
  return [
    ...line("HTTP Proxy", info.HttpProxy),
    ...line("HTTPS Proxy", info.HttpsProxy),
    ...line("No Proxy", info.NoProxy),
    ...section(" Labels:", info.Labels ?? []),
    ` Experimental: ${info.ExperimentalBuild === true}`,
    ...section(" Insecure Registries:", insecure),
    ...section(" Registry Mirrors:", registries?.Mirrors ?? []),
    ` Live Restore Enabled: ${info.LiveRestoreEnabled === true}`,
    ...line("Product License", info.ProductLicense),
    ...section(" Default Address Pools:", pools),
    ...(info.FirewallBackend?.Driver
      ? [
          ` Firewall Backend: ${info.FirewallBackend.Driver}`,
          ...(info.FirewallBackend.Info ?? []).map(([name = "", value = ""]) => `  ${name}: ${value}`),
        ]
      : []),
  ];
}
