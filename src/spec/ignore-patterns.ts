import { EngineError } from "../base/errors.ts";
import { globMatcher } from "./glob.ts";

/** Patterns of a `.dockerignore`, in their order: the last one that matches decides. */
export interface IgnorePatterns {
  /** Patterns as they are used, `!` included. */
  readonly patterns: readonly string[];
  /** There are `!` patterns: what lies in an ignored folder may be wanted again. */
  readonly hasExceptions: boolean;
  /** Whether a path below the root (`a/b`, no leading slash) is ignored, itself or with a folder above it. */
  ignores(path: string): boolean;
  /** Whether something below an ignored folder may be wanted again. */
  mayHoldExceptions(folder: string): boolean;
}

/** Lines of a `.dockerignore` file. A comment's `#` stands in the first column (moby parity: ignorefile.ReadAll). */
export function readIgnoreFile(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => (line.startsWith("!") ? `!${cleanPattern(line.slice(1).trim())}` : cleanPattern(line)));
}

/** Compiles patterns. Throws `invalid` for one that is no pattern. */
export function ignorePatterns(lines: readonly string[]): IgnorePatterns {
  const rules = lines.map((line) => {
    const exception = line.startsWith("!");
    const pattern = exception ? line.slice(1) : line;
    if (pattern === "") throw new EngineError("invalid", 'illegal exclusion pattern: "!"');
    return { exception, pattern, matches: globMatcher(pattern) };
  });
  const exceptions = rules.filter((rule) => rule.exception);
  return {
    patterns: lines,
    hasExceptions: exceptions.length > 0,
    ignores(path) {
      let ignored = false;
      for (const rule of rules) if (rule.exception === ignored && rule.matches(path)) ignored = !rule.exception;
      return ignored;
    },
    mayHoldExceptions: (folder) =>
      exceptions.some(({ pattern }) => {
        if (pattern.includes("**")) return true;
        const parts = pattern.split("/");
        const above = folder.split("/");
        if (parts.length <= above.length) return false;
        return globMatcher(parts.slice(0, above.length).join("/"))(folder);
      }),
  };
}

/** filepath.Clean without the leading slash. */
function cleanPattern(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/") || ".";
}
