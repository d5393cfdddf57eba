import { EngineError } from "../../base/errors.ts";
import type { Image } from "../../images/image.ts";
import type { HostConfig } from "../../spec/engine/types.gen.ts";
import type { ContainerRequest } from "../container.ts";
import type { CreateRequest } from "../containers.ts";
import type { ContainerPlan } from "../plan.ts";
import type { CreateContext } from "./defaults.ts";
import { checkDeviceRules, planDevices } from "./resources/devices.ts";
import { planHealth } from "./health.ts";
import { settleConfig, settleHostConfig } from "./host-config.ts";
import { liftMacAddress } from "./mac-address.ts";
import { mergeImage } from "./merge-image.ts";
import { planMounts } from "./mounts/mounts.ts";
import { containerOf, findContainer, planNamespaces } from "./namespaces.ts";
import { checkEndpoints, checkNetworkMode, isUserDefined, planNetwork, settleNetworkMode } from "./network.ts";
import { checkPlatform } from "./platform.ts";
import { planProcess } from "./process.ts";
import { planResolv } from "./resolv.ts";
import { planResources } from "./resources/resources.ts";
import { planRestart } from "./restart.ts";
import { planSecurity } from "./security.ts";
import { planSysctls } from "./sysctls.ts";
import { validateRequest } from "./validate.ts";

export interface Normalized {
  readonly plan: ContainerPlan;
  readonly request: ContainerRequest;
  readonly warnings: string[];
}

/**
 * The one place where a create request becomes a plan: checked with Docker's texts, merged with the image, every
 * default applied. Nothing is touched on disk; whether bind sources exist is `checkBindSources()`'s to say.
 */
export function normalizeCreate(request: CreateRequest, context: CreateContext): Normalized {
  const { HostConfig: wireHost, NetworkingConfig: networking, ...wireConfig } = request;
  const { defaults, image } = context;
  if (Object.keys(wireConfig).length === 0)
    throw new EngineError("invalid", "config cannot be empty in order to create a container");
  checkNetworkMode(wireConfig, wireHost ?? {});
  const lifted = liftMacAddress(wireConfig, settleNetworkMode(wireHost ?? {}, networking?.EndpointsConfig ?? {}));
  const checked = validateRequest(lifted.config, wireHost ?? {}, defaults);
  const warnings = [...checked.warnings, ...checkPlatform(image, context.platform, defaults.host.platform)];
  checkEndpoints(lifted.endpoints);

  const host = settleHostConfig(checked.host, lifted.mode, context);
  const merged = mergeImage(checked.config, image?.config.config ?? {});
  // [""] is the command line's way to reset the entrypoint
  if (merged.Entrypoint?.length === 1 && merged.Entrypoint[0] === "") merged.Entrypoint = null;
  if (!merged.Entrypoint?.length && !merged.Cmd?.length) throw new EngineError("invalid", "no command specified");
  const log = { driver: host.LogConfig?.Type ?? "", options: host.LogConfig?.Config ?? {} };
  defaults.validateLog?.(log.driver, log.options);

  const { hostname, domainname } = settleNames(merged.Hostname ?? "", merged.Domainname ?? "", host, context);
  const config = settleConfig(merged, hostname, domainname);
  const { security, warnings: securityWarnings } = planSecurity(host, defaults);
  host.MaskedPaths = security.privileged ? null : [...security.maskedPaths];
  host.ReadonlyPaths = security.privileged ? null : [...security.readonlyPaths];
  const namespaces = planNamespaces(host, context);
  const sysctls = planSysctls(host.Sysctls ?? {}, namespaces, host.NetworkMode === "host");
  const annotations = host.Annotations ?? {};
  const plan: ContainerPlan = {
    process: planProcess(config, host, hostname, defaults),
    hostname,
    domainname,
    labels: config.Labels ?? {},
    annotations,
    readOnlyRootfs: host.ReadonlyRootfs === true,
    mounts: planMounts(config, host, context),
    namespaces,
    network: planNetwork(config, host, lifted.endpoints, sysctls),
    resolv: planResolv(host, context, !isUserDefined(host.NetworkMode ?? "")),
    resources: planResources(host),
    devices: planDevices(host.Devices),
    deviceRules: checkDeviceRules(host.DeviceCgroupRules ?? []),
    deviceRequests: (host.DeviceRequests ?? []).map(({ Driver, Capabilities }) => ({
      driver: Driver ?? "",
      capabilities: Capabilities ?? [],
    })),
    security,
    sysctls,
    shmSizeBytes: host.ShmSize ?? defaults.shmSizeBytes,
    restart: planRestart(host.RestartPolicy),
    health: planHealth(config, annotations),
    log,
    autoRemove: host.AutoRemove === true,
    runtime: wireHost?.Runtime ?? "",
    cgroupParent: host.CgroupParent || defaults.cgroupParent,
    platform: platformOf(image, defaults.host.platform),
  };
  return {
    plan,
    request: { config, hostConfig: host, networking: { EndpointsConfig: { ...lifted.endpoints } } },
    warnings: [...warnings, ...lifted.warnings, ...securityWarnings],
  };
}

/** moby parity: 12 digits of the id, the host's own name with its network, the other's names with its namespace. */
function settleNames(
  hostname: string,
  domainname: string,
  host: HostConfig,
  context: CreateContext,
): { hostname: string; domainname: string } {
  const shared = containerOf(host.NetworkMode);
  const owner = shared === undefined ? undefined : findContainer(shared, context.containers);
  if (owner) return { hostname: owner.plan.hostname, domainname: owner.plan.domainname };
  const ownName = host.NetworkMode === "host" ? context.defaults.host.hostname : context.id.slice(0, 12);
  return { hostname: hostname || ownName, domainname };
}

function platformOf(image: Image | null, host: string): string {
  if (!image) return host;
  const { os, architecture, variant } = image.config;
  return [os, architecture, variant].filter(Boolean).join("/");
}
