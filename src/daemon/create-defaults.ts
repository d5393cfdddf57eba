import { readFileSync } from "node:fs";
import { EngineError, errorMessage } from "../base/errors.ts";
import type { CreateDefaults, CreateHost } from "../containers/create/defaults.ts";
import type { LogDriver } from "../logs/driver.ts";
import type { Networks } from "../networks/network.ts";
import { parseProfile } from "../security/seccomp/profile.ts";
import type { Config } from "./config-table.ts";
import type { FoundRuntimes } from "./runtimes.ts";

export interface DefaultsOptions {
  readonly config: Config;
  readonly host: CreateHost;
  readonly runtimes: FoundRuntimes;
  readonly networks: Networks;
  readonly logDrivers: ReadonlyMap<string, LogDriver>;
  readonly seccompProfile: string;
}

/** What a create request does not say, from the settings and the host. */
export function createDefaults({
  config,
  host,
  runtimes,
  networks,
  logDrivers,
  seccompProfile,
}: DefaultsOptions): CreateDefaults {
  return {
    runtimes: runtimes.names,
    defaultRuntime: runtimes.default,
    logDriver: config["log-driver"],
    logOptions: config["log-opt"],
    validateLog: (driver, options) => logDriver(logDrivers, driver).validate(options),
    shmSizeBytes: config["default-shm-size"],
    ipcMode: config["default-ipc-mode"] === "shareable" ? "shareable" : "private",
    cgroupnsMode: cgroupnsMode(config, host),
    ulimits: config["default-ulimit"],
    init: config.init,
    noNewPrivileges: config["no-new-privileges"],
    seccompProfile,
    dns: config.dns,
    dnsSearch: config["dns-search"],
    dnsOptions: config["dns-opt"],
    hostGatewayIps: config["host-gateway-ip"].length > 0 ? config["host-gateway-ip"] : bridgeGateways(networks),
    cgroupParent: config["cgroup-parent"],
    stopTimeoutSeconds: 10, // moby parity: of a container, not the daemon's own --shutdown-timeout
    dataRoot: config["data-root"],
    host,
  };
}

// moby parity: private on cgroup v2, host on v1
function cgroupnsMode(config: Config, host: CreateHost): "private" | "host" {
  const asked = config["default-cgroupns-mode"];
  if (asked === "private" || asked === "host") return asked;
  return host.cgroupVersion === 2 ? "private" : "host";
}

/** Addresses of this host as containers of the default network see it. */
export function bridgeGateways(networks: Networks): string[] {
  const bridge = networks.list().find(({ name }) => name === "bridge");
  return bridge?.ipam.pools.map(({ gateway }) => gateway).filter(Boolean) ?? [];
}

export function logDriver(known: ReadonlyMap<string, LogDriver>, name: string): LogDriver {
  const found = known.get(name);
  if (found === undefined)
    throw new EngineError("invalid", `logger: no log driver named '${name}' is registered`, { driver: name }); // moby's text
  return found;
}

/** The text of `--seccomp-profile`: a file that must hold a profile, `unconfined`, or empty. Throws invalid. */
export function readSeccompProfile(setting: string): string {
  if (setting === "" || setting === "builtin" || setting === "unconfined")
    return setting === "unconfined" ? setting : "";
  try {
    const text = readFileSync(setting, "utf8");
    parseProfile(text);
    return text;
  } catch (cause) {
    throw new EngineError(
      "invalid",
      `--seccomp-profile ${setting}: ${errorMessage(cause)}`,
      { path: setting },
      { cause },
    );
  }
}
