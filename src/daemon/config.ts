import { readFileSync } from "node:fs";
import { EngineError, errorMessage } from "../base/errors.ts";
import { type Config, type ConfigName, type ConfigRow, configRows, configTable } from "./config-table.ts";
import type { TypedFlags } from "./flags.ts";

/** The settings in force, and what to warn of. */
export interface ReadConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** The key of a setting in daemon.json; undefined for one that is a flag only. */
export function fileKey([name, { key }]: readonly [ConfigName, ConfigRow<unknown>]): string | undefined {
  return key === null ? undefined : (key ?? name);
}

/**
 * Flags and file over the defaults. Throws invalid: a bad value with its place, unknown keys, a setting that both
 * have (Docker's texts). A file that was not named may be absent.
 */
export function readConfig(typed: TypedFlags): ReadConfig {
  const fromFlags = new Map([...typed].map(([name, texts]) => [name, flagValue(name, texts)]));
  const path = (fromFlags.get("config-file") as string | undefined) ?? configTable["config-file"].default;
  const fromFile = readFile(path, fromFlags.has("config-file"));
  const both = [...fromFile.keys()].filter((name) => fromFlags.has(name));
  if (both.length > 0)
    throw wrongFile(
      path,
      `the following directives are specified both as a flag and in the configuration file: ${both.map((name) => conflict(name, fromFlags, fromFile)).join(", ")}`,
    );

  const config = Object.fromEntries(
    configRows.map(([name, { default: initial }]) => [name, fromFlags.get(name) ?? fromFile.get(name) ?? initial]),
  ) as unknown as Config;
  const warnings = configRows
    .filter(([name, { ignored }]) => ignored !== undefined && (fromFlags.has(name) || fromFile.has(name)))
    .map(
      ([name, { ignored }]) =>
        `${fromFlags.has(name) ? `--${name}` : `"${fileKey([name, configTable[name] as ConfigRow<unknown>])}" in ${path}`} has no effect: ${ignored}`,
    );
  checkTogether(config);
  return { config, warnings };
}

function flagValue(name: ConfigName, texts: readonly string[]): unknown {
  try {
    return configTable[name].kind.fromFlag(texts);
  } catch (error) {
    const { short } = configTable[name] as ConfigRow<unknown>;
    throw new EngineError(
      "invalid",
      `invalid argument ${JSON.stringify(texts.at(-1))} for "${short === undefined ? "" : `-${short}, `}--${name}" flag: ${errorMessage(error)}\nSee 'berth daemon --help'.`,
    );
  }
}

/** The settings of daemon.json, by flag name. */
function readFile(path: string, named: boolean): Map<ConfigName, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && !named) return new Map();
    throw wrongFile(path, `open ${path}: ${code === "ENOENT" ? "no such file or directory" : errorMessage(cause)}`);
  }
  let parsed: unknown;
  try {
    parsed = text.trim() === "" ? {} : JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw wrongFile(path, `it is not valid JSON: ${errorMessage(cause)}`);
  }
  if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed))
    throw wrongFile(path, "it must hold a JSON object");
  const rows = new Map(configRows.map((entry) => [fileKey(entry), entry] as const));
  rows.delete(undefined);
  const unknown = Object.keys(parsed).filter((key) => !rows.has(key));
  if (unknown.length > 0)
    throw wrongFile(path, `the following directives don't match any configuration option: ${unknown.join(", ")}`);

  const values = new Map<ConfigName, unknown>();
  for (const [key, value] of Object.entries(parsed)) {
    const entry = rows.get(key);
    if (entry === undefined) continue;
    try {
      values.set(entry[0], entry[1].kind.fromJson(value));
    } catch (error) {
      throw wrongFile(path, `invalid value for "${key}": ${errorMessage(error)}`);
    }
  }
  return values;
}

function conflict(
  name: ConfigName,
  fromFlags: ReadonlyMap<ConfigName, unknown>,
  fromFile: ReadonlyMap<ConfigName, unknown>,
): string {
  const { show } = configTable[name].kind as { show: (value: unknown) => string };
  const key = fileKey([name, configTable[name] as ConfigRow<unknown>]);
  return `${key}: (from flag: ${show(fromFlags.get(name))}, from file: ${show(fromFile.get(name))})`;
}

// moby's text, which its users search for
function wrongFile(path: string, what: string): EngineError {
  return new EngineError("invalid", `unable to configure the Docker daemon with file ${path}: ${what}`, { path });
}

/** Rules over several settings. */
function checkTogether(config: Config): void {
  const names = ["crun", "runc", ...Object.keys(config["add-runtime"])];
  if (config["default-runtime"] !== "" && !names.includes(config["default-runtime"])) {
    throw new EngineError(
      "invalid",
      `specified default runtime '${config["default-runtime"]}' does not exist: it must be one of ${names.join(", ")}`,
    );
  }
  if (config["data-root"] === config["exec-root"])
    throw new EngineError("invalid", `--data-root and --exec-root may not be the same folder (${config["data-root"]})`);
}

/** The settings after a reload: the file's where a running daemon can take them, else those in force. */
export function reloadConfig(current: Config, typed: TypedFlags): ReadConfig & { changed: readonly ConfigName[] } {
  const next = readConfig(typed);
  const differs = (name: ConfigName): boolean => JSON.stringify(next.config[name]) !== JSON.stringify(current[name]);
  const reloadable = configRows.filter(([name, row]) => row.reloadable === true && differs(name)).map(([name]) => name);
  const fixed = configRows
    .filter(([name, row]) => row.reloadable !== true && row.ignored === undefined && differs(name))
    .map(([name]) => name);
  const config = { ...current, ...Object.fromEntries(reloadable.map((name) => [name, next.config[name]])) } as Config;
  return {
    config,
    changed: reloadable,
    warnings: [...next.warnings, ...fixed.map((name) => `${name} changes with the next start of the daemon`)],
  };
}
