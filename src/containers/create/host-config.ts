import { EngineError } from "../../base/errors.ts";
import type { ContainerConfig, HostConfig, Resources } from "../../spec/engine/types.gen.ts";
import type { CreateContext } from "./defaults.ts";
import { pinContainer } from "./namespaces.ts";

/**
 * The host configuration with every default written out, in the shape inspect gives back (28.5): nothing is missing,
 * lists that were not given are null. `host` has been checked.
 */
export function settleHostConfig(host: HostConfig, networkMode: string, context: CreateContext): HostConfig {
  const { defaults } = context;
  const privileged = host.Privileged === true;
  return {
    Binds: host.Binds ?? null,
    ContainerIDFile: host.ContainerIDFile ?? "",
    LogConfig: settleLog(host, context),
    NetworkMode: pinContainer(networkMode, context.containers),
    PortBindings: host.PortBindings ?? {},
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || "no",
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    AutoRemove: host.AutoRemove === true,
    VolumeDriver: host.VolumeDriver ?? "",
    VolumesFrom: host.VolumesFrom ?? null,
    ConsoleSize: consoleSize(host.ConsoleSize ?? []),
    ...(host.Annotations ? { Annotations: host.Annotations } : {}),
    CapAdd: host.CapAdd ?? null,
    CapDrop: host.CapDrop ?? null,
    CgroupnsMode:
      host.CgroupnsMode || (privileged && defaults.host.cgroupVersion === 1 ? "host" : defaults.cgroupnsMode),
    Dns: host.Dns ?? null,
    DnsOptions: host.DnsOptions ?? null,
    DnsSearch: host.DnsSearch ?? null,
    ExtraHosts: host.ExtraHosts ?? null,
    GroupAdd: host.GroupAdd ?? null,
    IpcMode: pinContainer(host.IpcMode, context.containers) || defaults.ipcMode,
    Cgroup: host.Cgroup ?? "",
    Links: host.Links ?? null,
    OomScoreAdj: host.OomScoreAdj ?? 0,
    PidMode: pinContainer(host.PidMode, context.containers),
    Privileged: privileged,
    PublishAllPorts: host.PublishAllPorts === true,
    ReadonlyRootfs: host.ReadonlyRootfs === true,
    SecurityOpt: securityOpt(host),
    ...(host.StorageOpt ? { StorageOpt: host.StorageOpt } : {}),
    ...(host.Tmpfs ? { Tmpfs: host.Tmpfs } : {}),
    UTSMode: host.UTSMode ?? "",
    UsernsMode: host.UsernsMode ?? "",
    ShmSize: host.ShmSize || defaults.shmSizeBytes,
    ...(host.Sysctls ? { Sysctls: host.Sysctls } : {}),
    Runtime: host.Runtime || defaults.defaultRuntime,
    Isolation: host.Isolation ?? "",
    ...settleResources(host),
    ...(host.Init === undefined || host.Init === null ? {} : { Init: host.Init }),
    ...(host.Mounts?.length ? { Mounts: host.Mounts } : {}),
    // planSecurity() writes the defaults for null; an empty list is a wish (systempaths=unconfined)
    MaskedPaths: host.MaskedPaths ?? null,
    ReadonlyPaths: host.ReadonlyPaths ?? null,
  };
}

/** Go's [2]uint: clients cannot read anything else back. */
function consoleSize([rows = 0, columns = 0]: readonly number[]): number[] {
  if (rows < 0 || columns < 0)
    throw new EngineError("invalid", "invalid JSON: HostConfig.ConsoleSize must not be negative", { rows, columns });
  return [rows, columns];
}

/** Resources as inspect shows them. */
function settleResources(r: Resources): Resources {
  const memory = r.Memory ?? 0;
  return {
    CpuShares: r.CpuShares ?? 0,
    Memory: memory,
    NanoCpus: r.NanoCpus ?? 0,
    CgroupParent: r.CgroupParent ?? "",
    BlkioWeight: r.BlkioWeight ?? 0,
    BlkioWeightDevice: r.BlkioWeightDevice ?? null,
    BlkioDeviceReadBps: r.BlkioDeviceReadBps ?? null,
    BlkioDeviceWriteBps: r.BlkioDeviceWriteBps ?? null,
    BlkioDeviceReadIOps: r.BlkioDeviceReadIOps ?? null,
    BlkioDeviceWriteIOps: r.BlkioDeviceWriteIOps ?? null,
    CpuPeriod: r.CpuPeriod ?? 0,
    CpuQuota: r.CpuQuota ?? 0,
    CpuRealtimePeriod: r.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: r.CpuRealtimeRuntime ?? 0,
    CpusetCpus: r.CpusetCpus ?? "",
    CpusetMems: r.CpusetMems ?? "",
    Devices: r.Devices ?? null,
    DeviceCgroupRules: r.DeviceCgroupRules ?? null,
    DeviceRequests: r.DeviceRequests ?? null,
    MemoryReservation: r.MemoryReservation ?? 0,
    // moby parity: as much swap as memory unless said
    MemorySwap: memory > 0 && !r.MemorySwap ? memory * 2 : (r.MemorySwap ?? 0),
    MemorySwappiness: r.MemorySwappiness ?? null,
    OomKillDisable: r.OomKillDisable ?? null,
    PidsLimit: r.PidsLimit && r.PidsLimit > 0 ? r.PidsLimit : null,
    Ulimits: r.Ulimits ?? null,
    CpuCount: r.CpuCount ?? 0,
    CpuPercent: r.CpuPercent ?? 0,
    IOMaximumIOps: r.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: r.IOMaximumBandwidth ?? 0,
  };
}

/** The driver of the request with its options, or the daemon's with those; options of the daemon's driver fill up. */
function settleLog(host: HostConfig, { defaults }: CreateContext): NonNullable<HostConfig["LogConfig"]> {
  const type = host.LogConfig?.Type || defaults.logDriver;
  const own = host.LogConfig?.Config ?? {};
  const options = type === defaults.logDriver ? { ...defaults.logOptions, ...own } : own;
  return { Type: type as NonNullable<HostConfig["LogConfig"]>["Type"], Config: options };
}

/** moby parity: where labels cannot separate anything they are switched off, and inspect says so. */
function securityOpt(host: HostConfig): string[] | null {
  const own = host.SecurityOpt ?? [];
  if (own.some((row) => row.startsWith("label="))) return own;
  const unlabelled = host.IpcMode === "host" || host.PidMode === "host" || host.Privileged === true;
  return unlabelled ? [...own, "label=disable"] : (host.SecurityOpt ?? null);
}

/** The configuration of a container as inspect gives it back. `config` is merged with the image. */
export function settleConfig(config: ContainerConfig, hostname: string, domainname: string): ContainerConfig {
  return {
    Hostname: hostname,
    Domainname: domainname,
    User: config.User ?? "",
    AttachStdin: config.AttachStdin === true,
    AttachStdout: config.AttachStdout === true,
    AttachStderr: config.AttachStderr === true,
    ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
    Tty: config.Tty === true,
    OpenStdin: config.OpenStdin === true,
    StdinOnce: config.StdinOnce === true,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck ? { Healthcheck: config.Healthcheck } : {}),
    Image: config.Image ?? "",
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    ...(config.NetworkDisabled ? { NetworkDisabled: true } : {}),
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? {},
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.StopTimeout === undefined || config.StopTimeout === null ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell?.length ? { Shell: config.Shell } : {}),
  };
}
