import { rfc3339 } from "../../base/clock.ts";
import type { Container, ContainerState, MountView } from "../../containers/container.ts";
import type { ContainerConfig } from "../../spec/engine/types.gen.ts";
import type { ApiDeps } from "../deps.ts";
import { networkMode, networkSettingsJson } from "./network-settings.ts";

/** GET /containers/{id}/json as API 1.51 has it. */
export function containerJson(container: Container, deps: Pick<ApiDeps, "system" | "snapshotPaths">) {
  const { plan, state, paths } = container;
  const [path = "", ...args] = plan.process.args;
  const begun = state.hasRun; // dockerd makes these files at the first start
  return {
    Id: container.id,
    Created: rfc3339(container.createdAtNs),
    Path: path,
    Args: args,
    State: stateJson(state),
    Image: container.imageId,
    ResolvConfPath: begun ? paths.resolv : "",
    HostnamePath: begun ? paths.hostname : "",
    HostsPath: begun ? paths.hosts : "",
    LogPath: begun ? paths.log : "",
    Name: `/${container.name}`,
    RestartCount: state.restartCount,
    Driver: deps.system.storageDriver,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: container.execIds.length > 0 ? [...container.execIds] : null,
    HostConfig: hostConfigJson(container, deps.system.defaultRuntime),
    GraphDriver: { Data: { ID: container.id, ...snapshotPaths(container.id, deps) }, Name: deps.system.storageDriver },
    Mounts: mountsJson(container.mounts),
    Config: configJson(container),
    NetworkSettings: networkSettingsJson(container),
  };
}

function stateJson(state: ContainerState) {
  const { status, health } = state;
  return {
    Status: status,
    Running: status === "running" || status === "paused" || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: state.oomKilled,
    Dead: status === "dead",
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: rfc3339(state.startedAtNs),
    FinishedAt: rfc3339(state.finishedAtNs),
    ...(health && {
      Health: {
        Status: health.status,
        FailingStreak: health.failingStreak,
        Log: health.log.map((entry) => ({
          Start: rfc3339(entry.startNs),
          End: rfc3339(entry.endNs),
          ExitCode: entry.exitCode,
          Output: entry.output,
        })),
      },
    }),
  };
}

/** A damaged snapshot must not hide everything else there is to see of its container. */
function snapshotPaths(id: string, deps: Pick<ApiDeps, "snapshotPaths">): Readonly<Record<string, string>> {
  try {
    return deps.snapshotPaths(id);
  } catch {
    return {};
  }
}

export function mountsJson(mounts: readonly MountView[]) {
  return mounts.map((mount) => ({
    Type: mount.type,
    ...(mount.name !== "" && { Name: mount.name }),
    Source: mount.source,
    Destination: mount.target,
    ...(mount.driver !== "" && { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.readWrite,
    Propagation: mount.propagation,
  }));
}

/** Every field that dockerd always writes, then what was given. */
function configJson(container: Container): ContainerConfig & Record<string, unknown> {
  return {
    ...container.request.config, // first for its order, which is Docker's
    Hostname: container.plan.hostname,
    Domainname: container.plan.domainname,
    User: "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: null,
    Cmd: null,
    Image: container.imageReference,
    Volumes: null,
    WorkingDir: "",
    Entrypoint: null,
    OnBuild: null,
    ...present(container.request.config),
    Labels: { ...container.plan.labels },
  };
}

/** Every field that dockerd always writes, what was given, and over it what the plan has settled. */
function hostConfigJson(container: Container, defaultRuntime: string) {
  const { plan } = container;
  const { resources } = plan;
  return {
    ...container.request.hostConfig, // first for its order, which is Docker's
    Binds: null,
    ContainerIDFile: "",
    PortBindings: {},
    VolumeDriver: "",
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: null,
    CapDrop: null,
    Dns: null,
    DnsOptions: null,
    DnsSearch: null,
    ExtraHosts: null,
    GroupAdd: null,
    Cgroup: "",
    Links: null,
    OomScoreAdj: 0,
    PidMode: "",
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: "",
    UsernsMode: "",
    Isolation: "",
    CpuShares: 0,
    NanoCpus: 0,
    CgroupParent: "",
    BlkioWeight: 0,
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteIOps: null,
    CpuPeriod: 0,
    CpuQuota: 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: "",
    CpusetMems: "",
    Devices: null,
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemorySwappiness: null,
    PidsLimit: null,
    Ulimits: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    ...present(container.request.hostConfig),
    NetworkMode: networkMode(container),
    LogConfig: { Type: plan.log.driver, Config: { ...plan.log.options } },
    RestartPolicy: { Name: plan.restart.policy, MaximumRetryCount: plan.restart.maximumRetries },
    AutoRemove: plan.autoRemove,
    CgroupnsMode: plan.namespaces.cgroup,
    IpcMode:
      typeof plan.namespaces.ipc === "object" ? `container:${plan.namespaces.ipc.container}` : plan.namespaces.ipc,
    ShmSize: plan.shmSizeBytes,
    Runtime: plan.runtime === "" ? defaultRuntime : plan.runtime,
    Memory: resources.memory,
    MemoryReservation: resources.memoryReservation,
    MemorySwap: resources.memorySwap,
    OomKillDisable: resources.oomKillDisable,
    MaskedPaths: plan.security.privileged ? null : [...plan.security.maskedPaths],
    ReadonlyPaths: plan.security.privileged ? null : [...plan.security.readonlyPaths],
  };
}

/** Without the fields that are null: the defaults stay. */
function present(given: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined));
}
