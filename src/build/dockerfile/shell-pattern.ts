import { SyntaxFault } from "./dockerfile-error.ts";

// Patterns of ${x#p}, ${x%p} and ${x/p/r}: `*` and `?`; POSIX shell 2.13 without brackets, as BuildKit has them.

/** The pattern as the source of a regular expression. */
export function shellPattern(pattern: string, greedy: boolean): string {
  let out = "";
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*") {
      while (chars[at + 1] === "*") at++;
      out += greedy ? ".*" : ".*?";
    } else if (char === "?") out += ".";
    else if (char === "\\") {
      const next = chars[++at];
      if (next === undefined) throw new SyntaxFault("invalid escape at the end of a pattern");
      if (!"*?\\}/".includes(next)) throw new SyntaxFault(`invalid escape '\\${next}'`);
      out += literal(next);
    } else out += literal(char);
  }
  return out;
}

/** Steps of comparing that are done within a second. */
const maxSteps = 2e8;

/** A regular expression with stars may take for ever: those that could are refused. */
export function checkCost(pattern: string, value: string): void {
  const stars = pattern.match(/\*+/g)?.length ?? 0;
  if (stars > 0 && value.length ** (stars + 1) > maxSteps)
    throw new SyntaxFault(`pattern "${pattern}" has too many stars for a value of ${value.length} characters`);
}

const literal = (char: string): string => char.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** Without the shortest (or longest) beginning that the pattern matches. */
export function trimPrefix(pattern: string, value: string, greedy: boolean): string {
  checkCost(pattern, value);
  return value.replace(new RegExp(`^${shellPattern(pattern, greedy)}`, "su"), "");
}

/** Without the shortest (or longest) end that the pattern matches. */
export function trimSuffix(pattern: string, value: string, greedy: boolean): string {
  checkCost(pattern, value);
  const whole = new RegExp(`^(?:${shellPattern(pattern, true)})$`, "su");
  const chars = [...value];
  for (let cut = 0; cut <= chars.length; cut++) {
    const length = greedy ? cut : chars.length - cut;
    if (whole.test(chars.slice(length).join(""))) return chars.slice(0, length).join("");
  }
  return value;
}
