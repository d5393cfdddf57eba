import { readdirSync, readFileSync } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";

/** A list of plugins, as spec 1.1 ("Network configuration format") has it. */
export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly disableCheck: boolean;
  readonly disableGc: boolean;
  readonly plugins: readonly PluginConfig[];
}

export interface PluginConfig {
  readonly type: string;
  readonly [key: string]: unknown;
}

const bytesAtMost = 1 << 20;

/** By absolute path, or by the name of a list in the folder. Throws `not-found` or `invalid`, with the file's name. */
export function loadConflist(reference: string, folder: string): Conflist {
  if (reference.startsWith("/")) return parseConflist(read(reference), reference);
  const names = list(folder).filter((name) => /\.(conflist|conf|json)$/.test(name));
  for (const name of names.sort()) {
    const path = `${folder}/${name}`;
    const found = nameIn(read(path));
    if (found === reference || name === reference) return parseConflist(read(path), path);
  }
  throw new EngineError("not-found", `no CNI configuration ${JSON.stringify(reference)} in ${folder}`, {
    conflist: reference,
  });
}

/** Throws `invalid`. A single plugin's configuration (`.conf`) is a list of one. */
export function parseConflist(text: string, path: string): Conflist {
  const bad = (what: string): EngineError => new EngineError("invalid", `CNI configuration ${path}: ${what}`, { path });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw bad(errorMessage(error));
  }
  if (!isObject(json)) throw bad("is no object");
  const { cniVersion = "0.1.0", name, type } = json;
  const plugins = json["plugins"] ?? (typeof type === "string" ? [json] : undefined);
  if (typeof cniVersion !== "string" || !/^[0-9]+\.[0-9]+\.[0-9]+$/.test(cniVersion))
    throw bad("cniVersion is no version");
  // spec: "MUST start with an alphanumeric character, optionally followed by ... underscore, dot or hyphen"
  if (typeof name !== "string" || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
    throw bad("name is no name for a network");
  if (!Array.isArray(plugins) || plugins.length === 0) throw bad("has no plugins");
  for (const plugin of plugins) {
    // A path in the type would run any program of the host.
    if (!isObject(plugin) || typeof plugin["type"] !== "string" || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(plugin["type"]))
      throw bad("a plugin's type is no name of a program");
  }
  return {
    cniVersion,
    name,
    disableCheck: json["disableCheck"] === true || json["disableCheck"] === "true",
    disableGc: json["disableGC"] === true || json["disableGC"] === "true",
    plugins: plugins as PluginConfig[],
  };
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a version of the specification is at least another. */
export function atLeast(version: string, least: string): boolean {
  const [one, other] = [version, least].map((text) => text.split(".").map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (one?.[at] ?? 0) - (other?.[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function nameIn(text: string): unknown {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json["name"] : undefined;
  } catch {
    return undefined; // another file's trouble
  }
}

function read(path: string): string {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > bytesAtMost) throw new Error("too large");
    return text;
  } catch (error) {
    throw new EngineError("not-found", `CNI configuration ${path}: ${errorMessage(error)}`, { path }, { cause: error });
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // no folder: nothing in it
  }
}
