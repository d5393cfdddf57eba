import { EngineError } from "../base/errors.ts";

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
    return { exception, pattern, regex: compile(pattern) };
  });
  const exceptions = rules.filter((rule) => rule.exception);
  return {
    patterns: lines,
    hasExceptions: exceptions.length > 0,
    ignores(path) {
      let ignored = false;
      for (const rule of rules) if (rule.exception === ignored && rule.regex.test(path)) ignored = !rule.exception;
      return ignored;
    },
    mayHoldExceptions: (folder) =>
      exceptions.some(({ pattern }) => {
        if (pattern.includes("**")) return true;
        const parts = pattern.split("/");
        const above = folder.split("/");
        if (parts.length <= above.length) return false;
        return compile(parts.slice(0, above.length).join("/")).test(folder);
      }),
  };
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(`^${globSource(pattern)}(?:/.*)?$`, "su");
  } catch {
    throw new EngineError("invalid", `syntax error in pattern ${JSON.stringify(pattern)}`);
  }
}

/**
 * A path pattern as the source of a regular expression: Go's filepath.Match, and `**` for any number of folders
 * (moby parity: patternmatcher).
 */
export function globSource(pattern: string): string {
  let out = "";
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      while (chars[at + 1] === "*") at++;
      if (chars[at + 1] === "/") at++;
      // at the end it matches everything below; elsewhere whole folders, none of them too
      out += at + 1 >= chars.length ? ".*" : "(?:.*/)?";
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "[") {
      const close = chars.indexOf("]", chars[at + 1] === "^" ? at + 3 : at + 2);
      if (close < 0) throw new SyntaxError("unclosed class");
      out += characterClass(chars.slice(at + 1, close));
      at = close;
    } else if (char === "\\") out += literal(chars[++at] ?? "\\");
    else out += literal(char);
  }
  return out;
}

function characterClass(chars: readonly string[]): string {
  const negated = chars[0] === "^";
  const body = chars.slice(negated ? 1 : 0).map((char) => (/[[\]^&|~]/.test(char) ? `\\${char}` : char));
  return `[${negated ? "^" : ""}${body.join("")}]`;
}

const literal = (char: string): string => char.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

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
