import { readFileSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";

export interface KeyValueFileOptions {
  /** What a line without `=` stands for; undefined drops the line. Not given: the line is dropped. */
  readonly lookup?: (name: string) => string | undefined;
  /** `env file` or `label file`, for error texts. */
  readonly what?: string;
}

/** Lines `key=value` of an --env-file or --label-file, comments and empty lines left out, with docker's texts. */
export function readKeyValueFile(path: string, { lookup, what = "env file" }: KeyValueFileOptions = {}): string[] {
  const bad = (message: string): EngineError =>
    new EngineError("invalid", `invalid ${what} (${path}): ${message}`, { path });
  const pairs: string[] = [];
  for (const [index, bytes] of splitLines(readWhole(path)).entries()) {
    const line = decode(bytes);
    if (line === undefined) throw bad(`invalid utf8 bytes at line ${index + 1}: [${[...bytes].join(" ")}]`);
    const text = (index === 0 ? line.replace(/^\ufeff/, "") : line).replace(/^[\s\u0085]+/, "");
    if (text === "" || text.startsWith("#")) continue;
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    if (/[ \t\n\v\f\r\u0085\u00a0]/.test(name)) throw bad(`variable '${name}' contains whitespaces`);
    if (name === "") throw bad(`no variable name on line '${text}'`);
    if (equals >= 0) pairs.push(text);
    else {
      const value = lookup?.(name);
      if (value !== undefined) pairs.push(`${name}=${value}`);
    }
  }
  return pairs;
}

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new EngineError("invalid", `open ${path}: ${openFailure(error)}`, { path }, { cause: error });
  }
}

const openTexts: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
};

/** errno's text as Go prints it. */
export function openFailure(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return openTexts[code] ?? (error instanceof Error ? error.message : String(error));
}

function splitLines(data: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  while (start < data.length) {
    const newline = data.indexOf(10, start);
    const end = newline < 0 ? data.length : newline;
    lines.push(data.subarray(start, end > start && data[end - 1] === 13 ? end - 1 : end));
    start = end + 1;
  }
  return lines;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // Not UTF-8: the caller shows the bytes.
    return undefined;
  }
}

/** `-e NAME=value` or `-e NAME`, which takes the value from here when it is set. Throws docker's text. */
export function resolveEnv(text: string, env: Readonly<Record<string, string | undefined>>): string {
  if (text === "" || text.startsWith("="))
    throw new EngineError("invalid", `invalid environment variable: ${text}`, { value: text });
  const value = text.includes("=") ? undefined : env[text];
  return value === undefined ? text : `${text}=${value}`;
}
