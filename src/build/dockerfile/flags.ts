import { SyntaxFault } from "./dockerfile-error.ts";
import { didYouMean } from "./suggest.ts";

/** Splits `--a=b --c rest` at the first word that is no flag; `--` alone ends the flags. */
export function splitFlags(rest: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (/\s/u.test(rest[at] ?? "")) at++;
    if (!rest.startsWith("--", at)) return { flags, rest: rest.slice(at) };
    const { word, end } = flagWord(rest, at, escape);
    at = end;
    if (word === "--") return { flags, rest: rest.slice(at).trimStart() };
    flags.push(word);
  }
}

/** One word with its quotes and escapes taken away. */
function flagWord(text: string, start: number, escape: string): { word: string; end: number } {
  let word = "";
  let quote = "";
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at] ?? "";
    if (quote === "" && /\s/u.test(char)) break;
    if (char === escape && quote !== "'" && at + 1 < text.length) word += text[++at];
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    else word += char;
  }
  return { word, end: at };
}

export type FlagKind = "text" | "boolean" | "texts";

/** What an instruction's flags said. Missing = not given. */
export interface Flags {
  text(name: string): string;
  boolean(name: string): boolean | undefined;
  texts(name: string): readonly string[];
}

/** Reads flags by a table of the known ones. Throws SyntaxFault with Docker's texts. */
export function readFlags(written: readonly string[], known: Readonly<Record<string, FlagKind>>): Flags {
  const values = new Map<string, string[]>();
  for (const flag of written) {
    const equals = flag.indexOf("=");
    const name = flag.slice(2, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : flag.slice(equals + 1);
    const kind = known[name];
    if (kind === undefined)
      throw new SyntaxFault(`unknown flag: --${name}${didYouMean(name, Object.keys(known), "--")}`);
    if (values.has(name) && kind !== "texts") throw new SyntaxFault(`duplicate flag specified: --${name}`);
    if (kind === "boolean") {
      const lower = (value ?? "true").toLowerCase();
      if (lower !== "true" && lower !== "false")
        throw new SyntaxFault(`expecting boolean value for flag --${name}, not: ${value ?? ""}`);
      values.set(name, [lower]);
    } else {
      if (value === undefined) throw new SyntaxFault(`missing a value on flag: --${name}`);
      values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  return {
    text: (name) => values.get(name)?.[0] ?? "",
    boolean: (name) => {
      const value = values.get(name)?.[0];
      return value === undefined ? undefined : value === "true";
    },
    texts: (name) => values.get(name) ?? [],
  };
}
