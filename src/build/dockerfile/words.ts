import { SyntaxFault } from "./dockerfile-error.ts";

/** Words of a line with their quotes and escapes still in them. */
export function rawWords(rest: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  let started = false;
  const chars = [...rest];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (quote === "" && /\s/u.test(char)) {
      if (started) words.push(word);
      word = "";
      started = false;
      continue;
    }
    started = true;
    if (char === escape && quote !== "'") {
      if (at + 1 === chars.length) continue; // at the end of a line it escapes nothing
      word += char + (chars[++at] ?? "");
      continue;
    }
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    word += char;
  }
  if (started && word !== "") words.push(word);
  return words;
}

export interface Pair {
  readonly key: string;
  readonly value: string;
  /** `ENV key value`, the old form. */
  readonly legacy: boolean;
}

/** `a=b c=d`, or the old `a b`. */
export function pairs(rest: string, instruction: string, escape: string): Pair[] {
  const words = rawWords(rest, escape);
  const [first] = words;
  if (first === undefined) throw new SyntaxFault(`${instruction} requires at least one argument`);
  if (!first.includes("=")) {
    const found = /^(\S+)\s+([^]*)$/u.exec(rest);
    if (!found) throw new SyntaxFault(`${instruction} must have two arguments`);
    return [{ key: found[1] ?? "", value: found[2] ?? "", legacy: true }];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0)
      throw new SyntaxFault(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    if (equals === 0) throw new SyntaxFault(`${instruction} names can not be blank`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1), legacy: false };
  });
}

export const blankWords = (rest: string): string[] => (rest === "" ? [] : rest.split(/[\t\v\f\r ]+/));

/** The exec form: a JSON array of texts. undefined for anything that is no JSON array: then it is shell text. */
export function jsonWords(rest: string): string[] | undefined {
  const text = rest.trimStart();
  if (!text.startsWith("[")) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined; // moby parity: a malformed array silently is shell form
  }
  if (!Array.isArray(list)) return undefined;
  if (!list.every((item) => typeof item === "string"))
    throw new SyntaxFault("when using JSON array syntax, arrays must be comprised of strings only");
  return list;
}
