import type { ProxySettings } from "./http/proxies.ts";

/** How the daemon speaks to registries. */
export interface RegistrySettings {
  /** `registry-mirrors` of dockerd: of Docker Hub alone; what is before `/v2/` at them. */
  readonly hubMirrors: readonly string[];
  /** Mirrors of any registry: by `host[/path]`, or `*`. The part that matched is replaced by the address. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Hosts (`name:port`) and CIDRs spoken to without a verified certificate, or without TLS. 127.0.0.0/8 always is. */
  readonly insecure: readonly string[];
  /** Folders with a folder per `host:port` that holds `*.crt`, `*.cert` and `*.key`. */
  readonly certificateFolders: readonly string[];
  readonly proxies: ProxySettings;
  readonly maxDownloads: number;
  readonly maxUploads: number;
  /** Tries of a request that fails without progress. */
  readonly attempts: number;
  /** The pause after the first failure; it doubles. */
  readonly retryDelayMs: number;
  /** A connection that gives no byte, or takes none, for so long is given up and tried again. */
  readonly stallMs: number;
}

export const defaultRegistrySettings: RegistrySettings = {
  hubMirrors: [],
  mirrors: {},
  insecure: [],
  certificateFolders: ["/etc/docker/certs.d", "/etc/berth/certs.d"],
  proxies: { http: "", https: "", no: "" },
  maxDownloads: 3, // dockerd's
  maxUploads: 5, // dockerd's
  attempts: 5, // dockerd's max-download-attempts
  retryDelayMs: 500,
  stallMs: 30_000,
};
