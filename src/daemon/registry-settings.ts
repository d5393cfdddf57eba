import { type ProxySettings, proxiesOf } from "../distribution/http/proxies.ts";
import { defaultRegistrySettings, type RegistrySettings } from "../distribution/settings.ts";
import type { Config } from "./config-table.ts";

/** How registries are spoken to: daemon.json and flags, and the proxies of the environment where they name none. */
export const registrySettings = (config: Config, environment: ProxySettings): RegistrySettings => ({
  ...defaultRegistrySettings,
  hubMirrors: config["registry-mirror"],
  mirrors: config.mirrors,
  insecure: config["insecure-registry"],
  certificateFolders: config["registry-certs"],
  proxies: proxiesInForce(config, environment),
  // moby parity: 0 is the default
  maxDownloads: config["max-concurrent-downloads"] || defaultRegistrySettings.maxDownloads,
  maxUploads: config["max-concurrent-uploads"] || defaultRegistrySettings.maxUploads,
  attempts: config["max-download-attempts"],
  stallMs: config["registry-stall-timeout"] * 1000,
});

/** moby parity: the settings before the environment, each by itself. */
export const proxiesInForce = (config: Config, environment: ProxySettings): ProxySettings => ({
  http: config["http-proxy"] || config.proxies.http || environment.http,
  https: config["https-proxy"] || config.proxies.https || environment.https,
  no: config["no-proxy"] || config.proxies.no || environment.no,
});

/**
 * The proxies of this process's environment, taken out of it: Bun's fetch follows the variables even where the
 * settings or the address say otherwise.
 */
export function takeProxies(env: NodeJS.ProcessEnv): ProxySettings {
  const found = proxiesOf(env);
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"]) {
    delete env[name];
    delete env[name.toLowerCase()];
  }
  return found;
}
