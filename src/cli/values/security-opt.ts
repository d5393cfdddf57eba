import { readFileSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { quote } from "../render/go-string.ts";
import { openFailure } from "./env-file.ts";

export interface SecurityOptions {
  /** What goes to the daemon; a seccomp profile is in it as JSON. */
  readonly options: string[];
  /** Set (empty) by systempaths=unconfined. */
  readonly maskedPaths: string[] | undefined;
  readonly readonlyPaths: string[] | undefined;
}

/** Reads `--security-opt` values as docker does: a seccomp profile file is read here, where the command runs. */
export function parseSecurityOptions(values: readonly string[]): SecurityOptions {
  const options: string[] = [];
  let unconfined = false;
  for (const value of values) {
    const option = parseSecurityOption(value);
    if (option === "systempaths=unconfined") unconfined = true;
    else options.push(option);
  }
  return { options, maskedPaths: unconfined ? [] : undefined, readonlyPaths: unconfined ? [] : undefined };
}

function parseSecurityOption(value: string): string {
  const separator = /=/.exec(value) ?? (value === "no-new-privileges" ? null : /:/.exec(value));
  const key = separator === null ? value : value.slice(0, separator.index);
  const given = separator === null ? "" : value.slice(separator.index + 1);
  if (given === "" && key !== "no-new-privileges" && !value.startsWith("no-new-privileges:")) {
    throw new EngineError("invalid", `Invalid --security-opt: ${quote(value)}`, { value });
  }
  if (key !== "seccomp" || given === "unconfined" || given === "builtin") return value;
  return `seccomp=${readProfile(given)}`;
}

function readProfile(path: string): string {
  const bad = (what: string, why: string, cause: unknown): EngineError =>
    new EngineError("invalid", `${what} seccomp profile (${path}) failed: ${why}`, { path }, { cause });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw bad("opening", `open ${path}: ${openFailure(error)}`, error);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw bad("compacting json for", error instanceof Error ? error.message : String(error), error);
  }
}
