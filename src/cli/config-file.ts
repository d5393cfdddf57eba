import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ExitError } from "./exit-error.ts";

/** What of docker's config.json we read. */
export interface ConfigFile {
  readonly currentContext?: string;
  readonly detachKeys?: string;
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly networksFormat?: string;
  readonly volumesFormat?: string;
  readonly statsFormat?: string;
  readonly HttpHeaders?: Readonly<Record<string, string>>;
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  /** The helper that keeps credentials: `docker-credential-<name>` in PATH. */
  readonly credsStore?: string;
  /** Helpers of single registries. */
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly proxies?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A registry's entry in `auths`; empty where a helper keeps its credentials. */
export interface AuthEntry {
  /** base64 of `user:password`. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Reads config.json of the folder; a missing file is an empty configuration. */
export function readConfigFile(folder: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(join(folder, "config.json"), "utf8");
  } catch {
    // no file, or not ours to read: docker goes on with its defaults too
    return {};
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch (error) {
    throw new ExitError(
      1,
      `error loading config file ${join(folder, "config.json")}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/**
 * Changes config.json: what we do not know in it stays. Written beside the file and renamed, readable by its owner
 * alone (it may hold passwords); a link to the file stays a link.
 */
export function changeConfigFile(folder: string, change: (config: Record<string, unknown>) => void): void {
  const config: Record<string, unknown> = { auths: {}, ...readConfigFile(folder) };
  change(config);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = realPath(join(folder, "config.json"));
  const draft = join(dirname(path), `.config.json.${randomBytes(6).toString("hex")}`);
  try {
    // docker indents by tabs and ends without a new line
    writeFileSync(draft, JSON.stringify(config, null, "\t"), { mode: 0o600, flag: "wx" });
    const mode = statSync(path, { throwIfNoEntry: false })?.mode;
    if (mode !== undefined) chmodSync(draft, mode & 0o777);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // not there yet
    return path;
  }
}
