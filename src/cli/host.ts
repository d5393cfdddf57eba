import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { readConfigFile } from "./config-file.ts";
import { ExitError } from "./exit-error.ts";

/** TLS material as PEM; verify false accepts any server. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

/** Where the daemon is and how to speak to it. */
export interface Endpoint {
  readonly host: string;
  readonly tls?: TlsFiles;
}

export interface HostFlags {
  readonly host: readonly string[];
  readonly context: string | undefined;
  readonly tls: boolean;
  readonly tlsverify: boolean;
  readonly tlscacert: string | undefined;
  readonly tlscert: string | undefined;
  readonly tlskey: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** --config, DOCKER_CONFIG or ~/.docker. */
export function configFolder(flag: string | undefined, env: Environment): string {
  return flag || env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
}

/**
 * Finds the daemon, docker's order: -H, --context, BERTH_HOST (ours), DOCKER_HOST, DOCKER_CONTEXT, the current context
 * of config.json, and then the first default socket that exists.
 */
export function resolveEndpoint(flags: HostFlags, env: Environment, configDir: string): Endpoint {
  if (flags.host.length > 1) throw unresolved("Specify only one -H");
  const [flagHost] = flags.host;
  if (flagHost !== undefined && flags.context !== undefined) {
    throw new ExitError(1, "conflicting options: cannot specify both --host and --context");
  }
  const tls = tlsFromFlags(flags, env, configDir);
  const direct = flagHost ?? (flags.context === undefined ? env["BERTH_HOST"] || env["DOCKER_HOST"] : undefined);
  if (direct !== undefined && direct !== "") return endpoint(parseHost(direct, tls !== undefined), tls);
  const name = currentContext(
    { host: [], context: flags.context },
    { ...env, BERTH_HOST: "", DOCKER_HOST: "" },
    configDir,
  );
  if (name === "default") return endpoint(defaultHost(), tls);
  return contextEndpoint(name, configDir);
}

/** Name of the context in use, which need not be there; `default` where a host is given. */
export function currentContext(
  flags: Pick<HostFlags, "host" | "context">,
  env: Environment,
  configDir: string,
): string {
  if (flags.context !== undefined) return flags.context;
  if (flags.host.length > 0 || env["BERTH_HOST"] || env["DOCKER_HOST"]) return "default";
  return env["DOCKER_CONTEXT"] || readConfigFile(configDir).currentContext || "default";
}

const unresolved = (why: string): ExitError =>
  new ExitError(1, `Failed to initialize: unable to resolve docker endpoint: ${why}`);

const endpoint = (host: string, tls: TlsFiles | undefined): Endpoint => (tls === undefined ? { host } : { host, tls });

const berthSocket = "/var/run/berth.sock";
const dockerSocket = "/var/run/docker.sock";

function defaultHost(): string {
  return !existsSync(berthSocket) && existsSync(dockerSocket) ? `unix://${dockerSocket}` : `unix://${berthSocket}`;
}

/** Completes a host as docker does: a bare address is tcp, 2375 plain and 2376 with TLS. */
export function parseHost(text: string, tls: boolean): string {
  const host = text.trim();
  if (host === "") return defaultHost();
  const [scheme, address = ""] = host.includes("://") ? host.split(/:\/\/(.*)/s, 2) : ["tcp", host];
  if (scheme === "unix") return address === "" ? defaultHost() : host;
  if (scheme === "ssh" || scheme === "npipe") return host;
  if (scheme !== "tcp") throw unresolved(`invalid bind address format: ${text}`);
  const named = address.startsWith(":") ? `localhost${address}` : address || "localhost";
  return `tcp://${/:\d+(\/.*)?$/.test(named) ? named : named.replace(/(\/.*)?$/, `:${tls ? 2376 : 2375}$1`)}`;
}

function tlsFromFlags(flags: HostFlags, env: Environment, configDir: string): TlsFiles | undefined {
  const verify = flags.tlsverify || (env["DOCKER_TLS_VERIFY"] ?? "") !== "";
  if (!verify && !flags.tls) return undefined;
  const folder = env["DOCKER_CERT_PATH"] || configDir;
  const read = (flag: string | undefined, name: string): string | undefined => {
    const path = flag ?? join(folder, name);
    if (flag === undefined && !existsSync(path)) return undefined;
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw new ExitError(1, `unable to load TLS material: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return pems(read(flags.tlscacert, "ca.pem"), read(flags.tlscert, "cert.pem"), read(flags.tlskey, "key.pem"), verify);
}

function pems(ca: string | undefined, cert: string | undefined, key: string | undefined, verify: boolean): TlsFiles {
  return {
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

interface ContextMeta {
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
}

/** A context of docker's store: contexts/meta/<sha256 of the name>/meta.json, PEM files under contexts/tls. */
function contextEndpoint(name: string, configDir: string): Endpoint {
  const folder = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  let meta: ContextMeta;
  try {
    meta = JSON.parse(readFileSync(join(configDir, "contexts/meta", folder, "meta.json"), "utf8"));
  } catch {
    // docker says the same for a missing and an unreadable context
    throw unresolved(
      `context "${name}": context not found: open ${join(configDir, "contexts/meta", folder, "meta.json")}: no such file or directory`,
    );
  }
  const docker = meta.Endpoints?.docker;
  const material = (file: string): string | undefined => {
    const path = join(configDir, "contexts/tls", folder, "docker", file);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  };
  const ca = material("ca.pem");
  const cert = material("cert.pem");
  const key = material("key.pem");
  const secured = ca !== undefined || cert !== undefined || docker?.SkipTLSVerify === true;
  const tls = secured ? pems(ca, cert, key, docker?.SkipTLSVerify !== true) : undefined;
  return endpoint(parseHost(docker?.Host ?? "", secured), tls);
}
