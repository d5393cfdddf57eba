import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Listener, TlsFiles } from "../api/http/listen.ts";
import { EngineError, errorMessage } from "../base/errors.ts";
import type { Config } from "./config-table.ts";

export const defaultHost = "unix:///var/run/berth.sock";

/** What `--host` and the TLS settings ask to listen on. Throws invalid for a file or a group that is not there. */
export async function listeners(config: Config, warn: (message: string) => void): Promise<Listener[]> {
  const tls = config.tls || config.tlsverify ? readTls(config) : undefined;
  const gid = socketGroup(config.group);
  const hosts = config.host.length === 0 ? [defaultHost] : config.host;
  return Promise.all(
    hosts.map(async (host): Promise<Listener> => {
      if (host.startsWith("unix://")) {
        const path = host.slice("unix://".length);
        await mkdir(dirname(path), { recursive: true });
        return { kind: "unix", path, gid, mode: 0o660 };
      }
      const [, address = "", port = ""] = /^tcp:\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?\/?$/.exec(host) ?? [];
      const name = address.replace(/^\[|\]$/g, "") || "0.0.0.0";
      if (tls === undefined && !/^(127\.|::1$|localhost$)/.test(name))
        warn(`the API on ${host} has no TLS: whoever reaches it is root on this host`);
      return { kind: "tcp", host: name, port: Number(port || (tls === undefined ? 2375 : 2376)), ...(tls && { tls }) };
    }),
  );
}

function readTls(config: Config): TlsFiles {
  const read = (flag: "tlscacert" | "tlscert" | "tlskey"): string => {
    try {
      return readFileSync(config[flag], "utf8");
    } catch (cause) {
      throw new EngineError("invalid", `--${flag}: ${errorMessage(cause)}`, { path: config[flag] }, { cause });
    }
  };
  return {
    cert: read("tlscert"),
    key: read("tlskey"),
    verify: config.tlsverify,
    ...(config.tlsverify && { ca: read("tlscacert") }),
  };
}

/** The group of the unix socket: the named one must exist; without a name `docker` if there is one, else root. */
export function socketGroup(name: string, groups: string = readFileSync("/etc/group", "utf8")): number {
  if (/^\d+$/.test(name)) return Number(name);
  const line = groups.split("\n").find((entry) => entry.startsWith(`${name || "docker"}:`));
  if (line !== undefined) return Number(line.split(":")[2]);
  if (name !== "")
    throw new EngineError("invalid", `group ${name} not found: make it, or give another --group`, { group: name });
  return 0;
}
