import { ExitError } from "../exit-error.ts";
import type { OperationTypes } from "../../spec/engine/operations.gen.ts";
import type { ContainerConfig, HealthConfig, HostConfig } from "../../spec/engine/types.gen.ts";
import { checkDeviceCgroupRule, parseDevice } from "../values/device.ts";
import { parseDuration } from "../values/duration.ts";
import { readKeyValueFile, resolveEnv } from "../values/env-file.ts";
import { keyValueMap, parseLabels } from "../values/label.ts";
import { parseMount } from "../values/mount.ts";
import { parseExposed, parsePortSpecs } from "../values/port.ts";
import { parseRestartPolicy } from "../values/restart.ts";
import { parseSecurityOptions } from "../values/security-opt.ts";
import { parseThrottleBps, parseThrottleIops, parseWeightDevice } from "../values/throttle.ts";
import { parseUlimit } from "../values/ulimit.ts";
import type { CreateValues } from "./create-flags.ts";
import { effectiveCapabilities } from "./effective-capabilities.ts";
import { gpuRequest } from "./gpu-request.ts";
import { networking } from "./networking.ts";
import { resourceLimits } from "./resource-limits.ts";
import { extraHost } from "./value-checks.ts";
import { splitVolumes } from "./volume-specs.ts";

export type CreateBody = OperationTypes["ContainerCreate"]["body"];

export interface CreateSource {
  readonly flags: CreateValues;
  readonly set: ReadonlySet<string>;
  readonly image: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `run -d`: nothing is attached. */
  readonly detached: boolean;
}

/** The annotation that carries our own --health-on-failure through Docker's API. */
const onFailureAnnotation = "io.berth.health.on-failure";

/** The annotations of --net-rate and --egress-allow. */
const rateAnnotation = "io.berth.net.rate";
const egressAnnotation = "io.berth.net.egress-allow";

/** The body of ContainerCreate for the flags of `run` and `create`. Mistakes are docker's texts with status 125. */
export function createRequest(source: CreateSource): CreateBody {
  try {
    return build(source);
  } catch (error) {
    if (error instanceof ExitError) throw error;
    throw new ExitError(125, error instanceof Error ? error.message : String(error));
  }
}

function build(source: CreateSource): CreateBody {
  const { flags } = source;
  refuseWindowsFlags(source.set);
  const ports = parsePortSpecs(flags.publish);
  for (const spec of flags.expose) for (const port of parseExposed(spec)) ports.exposed[port] ??= {};
  const volumes = splitVolumes(flags.volume);
  const endpoints = networking(flags);
  const config: ContainerConfig = {
    ...streams(source),
    Hostname: flags.hostname ?? "",
    Domainname: flags.domainname ?? "",
    User: flags.user ?? "",
    Image: source.image,
    Env: [
      ...readFiles(flags["env-file"], "env file", (name) => source.env[name]),
      ...flags.env.map((entry) => resolveEnv(entry, source.env)),
    ],
    Cmd: source.command.length > 0 ? [...source.command] : null,
    WorkingDir: flags.workdir ?? "",
    Labels: { ...keyValueMap(readFiles(flags["label-file"], "env file")), ...parseLabels(flags.label) },
    ExposedPorts: ports.exposed as Record<string, Record<string, unknown>>,
    ...(volumes.anonymous.length > 0
      ? { Volumes: Object.fromEntries(volumes.anonymous.map((path) => [path, {}])) }
      : {}),
    // an empty --entrypoint removes the image's: docker sends one empty word for it
    ...(source.set.has("entrypoint") ? { Entrypoint: [flags.entrypoint ?? ""] } : {}),
    ...(flags["stop-signal"] === undefined ? {} : { StopSignal: flags["stop-signal"] }),
    ...(source.set.has("stop-timeout") ? { StopTimeout: flags["stop-timeout"] ?? 0 } : {}),
    ...health(source),
  };
  checkMac(flags["mac-address"]);
  return {
    ...config,
    HostConfig: hostConfig(source, volumes.binds, ports.bindings),
    NetworkingConfig: { EndpointsConfig: endpoints },
  };
}

/** Accepted for scripts' sake by the grammar alone; docker refuses them here too. */
function refuseWindowsFlags(set: ReadonlySet<string>): void {
  const given = ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"].filter((name) => set.has(name));
  if (given.length === 0) return;
  throw new ExitError(
    1,
    given
      .map(
        (name) =>
          `"--${name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on linux`,
      )
      .join("\n"),
  );
}

function checkMac(mac: string | undefined): void {
  if (mac !== undefined && !/^([0-9a-fA-F]{2}[:-]){5}([0-9a-fA-F]{2})$/.test(mac))
    throw new Error(`${mac} is not a valid mac address`);
}

function streams({ flags, detached }: CreateSource): ContainerConfig {
  if (detached && flags.attach.length > 0)
    throw new ExitError(1, "conflicting options: cannot specify both --attach and --detach");
  const wanted = new Set(flags.attach.map((name) => name.toLowerCase()));
  const every = wanted.size === 0 && !detached;
  const stdin = wanted.has("stdin") || (flags.interactive && !detached);
  return {
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && stdin,
    AttachStdin: stdin,
    AttachStdout: every || wanted.has("stdout"),
    AttachStderr: every || wanted.has("stderr"),
  };
}

const readFiles = (paths: readonly string[], what: string, lookup?: (name: string) => string | undefined): string[] =>
  paths.flatMap((path) => readKeyValueFile(path, lookup === undefined ? { what } : { what, lookup }));

function health({ flags, set }: CreateSource): { Healthcheck?: HealthConfig } {
  const names = ["health-interval", "health-timeout", "health-start-period", "health-start-interval"] as const;
  const any = set.has("health-cmd") || names.some((name) => set.has(name)) || set.has("health-retries");
  if (flags["no-healthcheck"]) {
    if (any) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Healthcheck: { Test: ["NONE"] } };
  }
  if (!any) return {};
  const [Interval, Timeout, StartPeriod, StartInterval] = names.map((name) => {
    const value = parseDuration(flags[name] ?? "0s");
    if (value < 0) throw new Error(`--${name} cannot be negative`);
    return value;
  });
  const Retries = flags["health-retries"] ?? 0;
  if (Retries < 0) throw new Error("--health-retries cannot be negative");
  const command = flags["health-cmd"];
  return {
    Healthcheck: {
      ...(command ? { Test: ["CMD-SHELL", command] } : {}),
      Interval,
      Timeout,
      StartPeriod,
      StartInterval,
      Retries,
    },
  };
}

function hostConfig(
  { flags, set }: CreateSource,
  binds: string[],
  bindings: NonNullable<HostConfig["PortBindings"]>,
): HostConfig {
  const security = parseSecurityOptions(flags["security-opt"]);
  const restart = parseRestartPolicy(flags.restart);
  if (flags.rm && set.has("restart") && flags.restart !== "no" && flags.restart !== "")
    throw new Error("conflicting options: cannot specify both --restart and --rm");
  for (const rule of flags["device-cgroup-rule"]) checkDeviceCgroupRule(rule);
  checkModes(flags);
  const swappiness = flags["memory-swappiness"];
  if (swappiness < -1 || swappiness > 100)
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  return {
    Binds: binds.length > 0 ? binds : null,
    ContainerIDFile: flags.cidfile ?? "",
    LogConfig: logConfig(flags),
    NetworkMode: networkMode(flags),
    PortBindings: bindings,
    RestartPolicy: restart,
    AutoRemove: flags.rm,
    VolumeDriver: flags["volume-driver"] ?? "",
    VolumesFrom: flags["volumes-from"].length > 0 ? flags["volumes-from"] : null,
    ...(flags.mount.length > 0 ? { Mounts: flags.mount.map(parseMount) } : {}),
    ...annotations(flags),
    ...effectiveCapabilities(flags["cap-add"], flags["cap-drop"]),
    CgroupnsMode: (flags.cgroupns ?? "") as NonNullable<HostConfig["CgroupnsMode"]>,
    Dns: flags.dns.map((address) => address.trim()),
    DnsOptions: [...flags["dns-option"], ...flags["dns-opt"]],
    DnsSearch: flags["dns-search"].map((domain) => domain.trim()),
    ExtraHosts: orNull(flags["add-host"].map(extraHost)),
    GroupAdd: orNull(flags["group-add"]),
    IpcMode: flags.ipc ?? "",
    Links: orNull(flags.link),
    OomScoreAdj: flags["oom-score-adj"] ?? 0,
    PidMode: flags.pid ?? "",
    Privileged: flags.privileged,
    PublishAllPorts: flags["publish-all"],
    ReadonlyRootfs: flags["read-only"],
    SecurityOpt: orNull(security.options),
    ...(flags["storage-opt"].length > 0 ? { StorageOpt: storageOptions(flags["storage-opt"]) } : {}),
    ...(flags.tmpfs.length > 0 ? { Tmpfs: Object.fromEntries(flags.tmpfs.map(splitTmpfs)) } : {}),
    UTSMode: flags.uts ?? "",
    UsernsMode: flags.userns ?? "",
    ShmSize: flags["shm-size"] ?? 0,
    ...(flags.sysctl.length > 0 ? { Sysctls: keyValueMap(flags.sysctl) } : {}),
    ...(flags.runtime === undefined ? {} : { Runtime: flags.runtime }),
    Isolation: (flags.isolation ?? "") as NonNullable<HostConfig["Isolation"]>,
    MaskedPaths: security.maskedPaths ?? null,
    ReadonlyPaths: security.readonlyPaths ?? null,
    ...(flags.init || set.has("init") ? { Init: flags.init } : {}),
    ...resourceLimits(flags),
    BlkioWeightDevice: flags["blkio-weight-device"].map(parseWeightDevice),
    BlkioDeviceReadBps: flags["device-read-bps"].map(parseThrottleBps),
    BlkioDeviceWriteBps: flags["device-write-bps"].map(parseThrottleBps),
    BlkioDeviceReadIOps: flags["device-read-iops"].map(parseThrottleIops),
    BlkioDeviceWriteIOps: flags["device-write-iops"].map(parseThrottleIops),
    CgroupParent: flags["cgroup-parent"] ?? "",
    DeviceCgroupRules: orNull(flags["device-cgroup-rule"]),
    Devices: flags.device.filter((text) => text.startsWith("/") || !isCdi(text)).map(parseDevice),
    DeviceRequests: deviceRequests(flags),
    MemorySwappiness: swappiness,
    OomKillDisable: flags["oom-kill-disable"],
    // the last one of a name counts
    Ulimits: [...new Map(flags.ulimit.map(parseUlimit).map((limit) => [limit.Name, limit])).values()],
  };
}

const orNull = (list: readonly string[]): string[] | null => (list.length > 0 ? [...list] : null);

function networkMode(flags: CreateValues): string {
  const [first] = [...flags.network, ...flags.net];
  if (first === undefined) return "default";
  return /(?:^|,)name=([^,]*)/.exec(first)?.[1]?.toLowerCase() ?? first;
}

function logConfig(flags: CreateValues): NonNullable<HostConfig["LogConfig"]> {
  const driver = flags["log-driver"] ?? "";
  if (driver === "none" && flags["log-opt"].length > 0) throw new Error(`invalid logging opts for driver ${driver}`);
  return { Type: driver as "json-file", Config: keyValueMap(flags["log-opt"]) };
}

/** Names of namespaces that only the client refuses; the daemon's own checks come after. */
function checkModes(flags: CreateValues): void {
  const container = /^container:./;
  if (!/^(|host)$/.test(flags.pid ?? "") && !container.test(flags.pid ?? ""))
    throw new Error("--pid: invalid PID mode");
  if (!/^(|host)$/.test(flags.uts ?? "")) throw new Error("--uts: invalid UTS mode");
  if (!/^(|host)$/.test(flags.userns ?? "")) throw new Error("--userns: invalid USER mode");
  if (!/^(|host|private)$/.test(flags.cgroupns ?? "")) throw new Error("--cgroupns: invalid CGROUP mode");
}

function storageOptions(options: readonly string[]): Record<string, string> {
  for (const option of options) if (!option.includes("=")) throw new Error("invalid storage option");
  return keyValueMap(options);
}

const splitTmpfs = (text: string): [path: string, options: string] => {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
};

function annotations(flags: CreateValues): { Annotations?: Record<string, string> } {
  const onFailure = flags["health-on-failure"];
  const all = keyValueMap(flags.annotation);
  if (onFailure !== undefined) {
    if (!/^(none|kill|restart|stop)$/.test(onFailure)) {
      throw new Error(`invalid --health-on-failure '${onFailure}': must be one of "none", "kill", "restart" or "stop"`);
    }
    all[onFailureAnnotation] = onFailure;
  }
  if (flags["net-rate"] !== undefined) all[rateAnnotation] = flags["net-rate"];
  if (flags["egress-allow"].length > 0) all[egressAnnotation] = flags["egress-allow"].join(",");
  return Object.keys(all).length > 0 ? { Annotations: all } : {};
}

/** `vendor.com/class=name`: a device of the Container Device Interface. */
const isCdi = (text: string): boolean => /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/.test(text);

function deviceRequests(flags: CreateValues): NonNullable<HostConfig["DeviceRequests"]> | null {
  const cdi = flags.device.filter(isCdi);
  const requests = [
    ...(flags.gpus === undefined ? [] : [gpuRequest(flags.gpus)]),
    ...(cdi.length > 0 ? [{ Driver: "cdi", DeviceIDs: cdi }] : []),
  ];
  return requests.length > 0 ? requests : null;
}
