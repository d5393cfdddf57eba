import { readFileSync } from "node:fs";
import { join } from "node:path";
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
  readonly auths?: Readonly<
    Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>
  >;
  readonly proxies?: Readonly<Record<string, Readonly<Record<string, string>>>>;
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
