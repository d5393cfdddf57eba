import { EngineError } from "../base/errors.ts";

/** With so many at most, regular expressions are quick whatever the path, and quicker than looking at the parts. */
const maxStars = 2;

/** One thing that a pattern asks for. `folders` is entered only together with its `loop`, which takes the names. */
type Part =
  | { readonly kind: "one"; readonly takes: (char: string) => boolean }
  | { readonly kind: "name" } // any characters but slashes
  | { readonly kind: "all" } // any characters
  | { readonly kind: "folders" }
  | { readonly kind: "loop" };

/**
 * A path pattern: Go's filepath.Match, and `**` for any number of folders (moby parity: patternmatcher). It matches
 * what it names and everything below. The time is that of path times pattern, whatever the pattern: both are words of
 * strangers, and a regular expression of many stars may take for ever. Throws `invalid` for one that is no pattern.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  try {
    const stars = pattern.match(/\*+/g)?.length ?? 0;
    if (stars > maxStars) return byParts(readParts([...pattern]));
    const regex = new RegExp(`^${globSource(pattern)}(?:/.*)?$`, "su");
    return (path) => regex.test(path);
  } catch {
    throw new EngineError("invalid", `syntax error in pattern ${JSON.stringify(pattern)}`);
  }
}

function byParts(parts: readonly Part[]): (path: string) => boolean {
  const end = parts.length;
  return (path) => {
    let now = new Set<number>();
    enter(parts, now, 0);
    for (const char of path) {
      if (char === "/" && now.has(end)) return true;
      const next = new Set<number>();
      for (const at of now) {
        const part = parts[at];
        if (part?.kind === "one" && part.takes(char)) enter(parts, next, at + 1);
        else if (part?.kind === "all" || (part?.kind === "name" && char !== "/")) enter(parts, next, at);
        else if (part?.kind === "loop") {
          next.add(at);
          if (char === "/") enter(parts, next, at + 1);
        }
      }
      if (next.size === 0) return false;
      now = next;
    }
    return now.has(end);
  };
}

/** Adds a place and those that are reached from it without a character. */
function enter(parts: readonly Part[], places: Set<number>, from: number): void {
  let at = from;
  for (;;) {
    if (places.has(at)) return;
    places.add(at);
    const kind = parts[at]?.kind;
    if (kind === "name" || kind === "all") at++;
    else if (kind === "folders") {
      places.add(at + 1);
      at += 2;
    } else return;
  }
}

function readParts(chars: readonly string[]): Part[] {
  const parts: Part[] = [];
  const literal = (wanted: string): void => void parts.push({ kind: "one", takes: (char) => char === wanted });
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      while (chars[at + 1] === "*") at++;
      if (chars[at + 1] === "/") at++;
      // at the end it matches everything below; elsewhere whole folders, none of them too
      if (at + 1 >= chars.length) parts.push({ kind: "all" });
      else parts.push({ kind: "folders" }, { kind: "loop" });
    } else if (char === "*") parts.push({ kind: "name" });
    else if (char === "?") parts.push({ kind: "one", takes: (given) => given !== "/" });
    else if (char === "[") {
      const close = chars.indexOf("]", chars[at + 1] === "^" ? at + 3 : at + 2);
      if (close < 0) throw new SyntaxError("unclosed class");
      const one = new RegExp(characterClass(chars.slice(at + 1, close)), "su");
      parts.push({ kind: "one", takes: (given) => one.test(given) });
      at = close;
    } else if (char === "\\") literal(chars[++at] ?? "\\");
    else literal(char);
  }
  return parts;
}

/** The pattern as the source of a regular expression. */
function globSource(pattern: string): string {
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
