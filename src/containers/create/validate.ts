import { EngineError } from "../../base/errors.ts";
import { resolveCapabilities } from "../../security/capabilities.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine/types.gen.ts";
import { parseSignal } from "../../spec/signals.ts";
import type { CreateDefaults } from "./defaults.ts";
import { checkHealthcheck } from "./health.ts";
import { checkMountOptions, parseMount } from "./mounts/mount-spec.ts";
import { checkModes } from "./namespaces.ts";
import { planPorts } from "./ports.ts";
import { checkEnv, checkWorkingDir } from "./process.ts";
import { checkExtraHost } from "./resolv.ts";
import { checkResources } from "./resources/resources.ts";
import { planRestart } from "./restart.ts";

const invalid = (text: string): never => {
  throw new EngineError("invalid", text);
};

/**
 * Checks a request as it came, in Docker's order, so that of two mistakes the same one is reported. Gives the request
 * cleaned: working directory normal, resources without what this host cannot do. Network modes are checked before.
 */
export function validateRequest(
  config: ContainerConfig,
  host: HostConfig,
  defaults: CreateDefaults,
): { config: ContainerConfig; host: HostConfig; warnings: string[] } {
  const { Isolation: isolation = "" } = host;
  if (isolation && isolation.toLowerCase() !== "default")
    invalid(`invalid isolation (${isolation}): linux only supports 'default'`);
  if (host.IOMaximumBandwidth) invalid("invalid option: QoS maximum bandwidth configuration is not supported on linux");
  if (host.IOMaximumIOps) invalid("invalid option: QoS maximum IOPs configuration is not supported on linux");
  if (Object.keys(host.StorageOpt ?? {}).length > 0)
    invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  checkMountOptions(host.Mounts ?? []);
  return { config: validateConfig(config), ...validateHost(config, host, defaults) };
}

function validateConfig(config: ContainerConfig): ContainerConfig {
  const cleaned = { ...config, WorkingDir: checkWorkingDir(config.WorkingDir ?? "") };
  if (config.StopSignal) parseSignal(config.StopSignal);
  checkEnv(config.Env ?? []);
  checkHealthcheck(config.Healthcheck);
  if (/[\s\0/]/.test(config.Hostname ?? "") || (config.Hostname ?? "").length > 64)
    invalid(`invalid hostname: "${config.Hostname}"`);
  if (/[\s\0/]/.test(config.Domainname ?? "") || (config.Domainname ?? "").length > 64)
    invalid(`invalid domainname: "${config.Domainname}"`);
  return cleaned;
}

function validateHost(
  config: ContainerConfig,
  host: HostConfig,
  defaults: CreateDefaults,
): { host: HostConfig; warnings: string[] } {
  const warnings: string[] = [];
  const { policy } = planRestartQuietly(host);
  if (host.AutoRemove && policy !== "no") invalid("can't create 'AutoRemove' container with restart policy");
  for (const mount of host.Mounts ?? []) parseMount(mount);
  for (const row of host.ExtraHosts ?? []) checkExtraHost(row);
  planPorts(config, host);
  planRestart(host.RestartPolicy);
  resolveCapabilities({ add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged: false });
  for (const key of Object.keys(host.Annotations ?? {})) {
    if (key === "") invalid("invalid Annotations: the empty string is not permitted as an annotation key");
  }
  const checked = checkResources(host, defaults.host, { update: false });
  warnings.push(...checked.warnings);
  checkModes(host);
  if ((host.ShmSize ?? 0) < 0) invalid("SHM size can not be less than 0");
  const score = host.OomScoreAdj ?? 0;
  if (!Number.isInteger(score) || score < -1000 || score > 1000)
    invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  const mode = host.NetworkMode ?? "";
  if (!defaults.host.ipv4Forwarding && mode !== "host" && mode !== "none")
    warnings.push("IPv4 forwarding is disabled. Networking will not work.");
  if (mode === "host" && Object.keys(host.PortBindings ?? {}).length > 0)
    warnings.push("Published ports are discarded when using host network mode");
  if (/\0/.test(host.CgroupParent ?? "")) invalid("invalid cgroup parent");
  if (host.Runtime && !defaults.runtimes.includes(host.Runtime))
    invalid(`unknown or invalid runtime name: ${host.Runtime}`);
  if (host.CgroupnsMode === "private" && !defaults.host.cgroupNamespaces) {
    warnings.push("Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.");
  }
  return { host: checked.resources, warnings };
}

/** AutoRemove is looked at before the policy's own mistakes are (moby parity). */
const planRestartQuietly = (host: HostConfig): { policy: string } => ({ policy: host.RestartPolicy?.Name || "no" });
