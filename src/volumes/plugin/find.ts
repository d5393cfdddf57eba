import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { EngineError, errorMessage } from "../../base/errors.ts";

/** Where a plugin answers. */
export interface PluginAddress {
  readonly name: string;
  /** Path of its unix socket, or the base of its URLs. */
  readonly socket?: string;
  readonly url?: string;
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized: boolean;
  };
}

/** Docker's folders, docs/extend/plugin_api: sockets of running plugins, and files that say where one is. */
export interface PluginFolders {
  readonly sockets: readonly string[];
  readonly specs: readonly string[];
}
export const dockerPluginFolders: PluginFolders = {
  sockets: ["/run/docker/plugins"],
  specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
};

const maxSpecBytes = 64 * 1024;
// the name is a part of a path here
const goodName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** Finds a plugin by its name; undefined when there is none. Throws invalid for a file that says nothing usable. */
export function findPlugin(name: string, folders: PluginFolders): PluginAddress | undefined {
  const bare = name.replace(/:latest$/, "");
  if (!goodName.test(bare)) return undefined;
  for (const folder of folders.sockets) {
    for (const path of [join(folder, `${bare}.sock`), join(folder, bare, `${bare}.sock`)])
      if (statSync(path, { throwIfNoEntry: false })?.isSocket()) return { name: bare, socket: path };
  }
  for (const folder of folders.specs) {
    for (const path of [
      join(folder, `${bare}.spec`),
      join(folder, `${bare}.json`),
      join(folder, bare, `${bare}.spec`),
      join(folder, bare, `${bare}.json`),
    ]) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found?.isFile()) continue;
      if (found.size > maxSpecBytes) throw bad(path, "the file is too large");
      return readSpec(bare, path);
    }
  }
  return undefined;
}

/** Names of all plugins that can be seen. */
export function pluginNames(folders: PluginFolders): string[] {
  const names = new Set<string>();
  const look = (folder: string, ending: RegExp, deep: boolean): void => {
    for (const entry of entriesOf(folder)) {
      const name = entry.name.replace(ending, "");
      if (name !== entry.name && goodName.test(name)) names.add(name);
      else if (deep && entry.isDirectory() && statSync(join(folder, name, `${name}.sock`), { throwIfNoEntry: false }))
        names.add(name);
    }
  };
  for (const folder of folders.sockets) look(folder, /\.sock$/, true);
  for (const folder of folders.specs) look(folder, /\.(spec|json)$/, true);
  return [...names].sort();
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // most machines have no such folder
  }
}

function readSpec(name: string, path: string): PluginAddress {
  const text = readFileSync(path, "utf8");
  if (basename(path).endsWith(".spec")) return addressOf(name, text.trim(), path);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw bad(path, errorMessage(cause));
  }
  const { Addr, TLSConfig } = (parsed ?? {}) as { Addr?: unknown; TLSConfig?: Record<string, unknown> };
  if (typeof Addr !== "string") throw bad(path, "Addr is missing");
  const address = addressOf(name, Addr, path);
  if (!TLSConfig || address.url === undefined) return address;
  const file = (key: string): string | undefined => {
    const value = TLSConfig[key];
    return typeof value === "string" && value !== "" ? readFileSync(value, "utf8") : undefined;
  };
  const [ca, cert, key] = [file("CAFile"), file("CertFile"), file("KeyFile")];
  return {
    ...address,
    url: address.url.replace(/^http:/, "https:"),
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      rejectUnauthorized: TLSConfig["InsecureSkipVerify"] !== true,
    },
  };
}

function addressOf(name: string, text: string, path: string): PluginAddress {
  if (text.startsWith("unix://")) return { name, socket: text.slice("unix://".length) };
  const [, scheme, rest] = /^(tcp|http|https):\/\/([^/?#\s]+)\/?$/.exec(text) ?? [];
  if (scheme === undefined) throw bad(path, `unknown protocol in ${JSON.stringify(text.slice(0, 100))}`);
  return { name, url: `${scheme === "https" ? "https" : "http"}://${rest}` };
}

const bad = (path: string, why: string): EngineError =>
  new EngineError("invalid", `the plugin file ${path} cannot be used: ${why}`, { path });
