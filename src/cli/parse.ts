import type { FlagRow, FlagTable } from "./command.ts";
import { parseBytes } from "./values/bytes.ts";
import { parseDuration } from "./values/duration.ts";

/** A mistake in how flags were written; the text is pflag's, which scripts match on. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FlagError";
  }
}

type Value = string | number | boolean | string[] | undefined;

export interface Parsed {
  readonly values: Record<string, Value>;
  /** Names that were written, in long form. */
  readonly set: Set<string>;
  readonly args: string[];
  /** `--help`, or `-h` where the command has no -h of its own. */
  readonly help: boolean;
  /** `-h` was written for help: docker says that this is deprecated. */
  readonly shortHelp: boolean;
}

/**
 * Reads flags as pflag does: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, `-ab`, `--` ends them,
 * and with stopAtFirstArgument so does the first plain word. The first mistake is thrown as FlagError.
 */
export function parseFlags(
  table: FlagTable,
  argv: readonly string[],
  options: { stopAtFirstArgument?: boolean } = {},
): Parsed {
  const reader = new Reader(table);
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word.length < 2 || word[0] !== "-") {
      reader.args.push(word);
      if (!options.stopAtFirstArgument) continue;
      reader.args.push(...rest);
      break;
    }
    if (word === "--") {
      reader.args.push(...rest);
      break;
    }
    if (word[1] === "-") reader.long(word, rest);
    else reader.short(word, rest);
  }
  return reader;
}

class Reader implements Parsed {
  readonly values: Record<string, Value> = {};
  readonly set = new Set<string>();
  readonly args: string[] = [];
  help = false;
  shortHelp = false;
  readonly #table: FlagTable;
  #shorts: Map<string, string> | undefined;

  constructor(table: FlagTable) {
    this.#table = table;
    for (const name in table) {
      const row = table[name];
      if (row === undefined) continue;
      if (row.type === "list" || row.type === "stringArray") this.values[name] = [];
      else this.values[name] = row.default ?? (row.type === "bool" ? false : undefined);
    }
  }

  long(word: string, rest: string[]): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (name === "" || name[0] === "-") throw new FlagError(`bad flag syntax: ${word}`);
    const row = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined;
    if (row === undefined) {
      if (name !== "help") throw new FlagError(`unknown flag: --${name}`);
      this.help = equals < 0 || parseBool(word.slice(equals + 1));
      return;
    }
    if (equals >= 0) return this.#assign(name, row, word.slice(equals + 1));
    if (row.type === "bool") return this.#assign(name, row, "true");
    const value = rest.shift();
    if (value === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    this.#assign(name, row, value);
  }

  short(word: string, rest: string[]): void {
    for (let letters = word.slice(1); letters !== "";) {
      const letter = String.fromCodePoint(letters.codePointAt(0) ?? 0);
      const after = letters.slice(letter.length);
      const name = this.#long(letter);
      const row = name === undefined ? undefined : this.#table[name];
      if (name === undefined || row === undefined) {
        if (letter !== "h") throw new FlagError(`unknown shorthand flag: '${letter}' in -${letters}`);
        this.help = true;
        this.shortHelp = true;
        letters = after;
      } else if (after.length > 1 && after[0] === "=") {
        this.#assign(name, row, after.slice(1));
        letters = "";
      } else if (row.type === "bool") {
        this.#assign(name, row, "true");
        letters = after;
      } else {
        const value = after === "" ? rest.shift() : after;
        if (value === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${letters}`);
        this.#assign(name, row, value);
        letters = "";
      }
    }
  }

  #long(letter: string): string | undefined {
    if (this.#shorts === undefined) {
      this.#shorts = new Map();
      for (const name in this.#table) {
        const short = this.#table[name]?.short;
        if (short !== undefined) this.#shorts.set(short, name);
      }
    }
    return this.#shorts.get(letter);
  }

  #assign(name: string, row: FlagRow, text: string): void {
    try {
      row.check?.(text);
      const value = parseValue(row, text);
      const before = this.values[name];
      // list flags gather; every other flag keeps its last value
      if (Array.isArray(before)) before.push(text);
      else this.values[name] = value;
    } catch (error) {
      const flag = row.short === undefined ? `--${name}` : `-${row.short}, --${name}`;
      throw new FlagError(
        `invalid argument ${goQuote(text)} for "${flag}" flag: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    this.set.add(name);
  }
}

function parseValue(row: FlagRow, text: string): Value {
  switch (row.type) {
    case "bool":
      return parseBool(text);
    case "int":
      return parseInteger(text);
    case "float":
      return parseFloatGo(text);
    case "bytes":
      return parseBytes(text);
    case "duration":
      parseDuration(text);
      return text;
    default:
      return text;
  }
}

/** strconv.ParseBool */
export function parseBool(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${goQuote(text)}: invalid syntax`);
}

const integerForm = /^[+-]?(0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|[1-9][0-9_]*|0)$/;

/** strconv.ParseInt with base 0; beyond 2^53 the value is rounded, which no flag needs. */
function parseInteger(text: string): number {
  if (!integerForm.test(text)) throw new Error(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`);
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text
    .replace(/^[+-]/, "")
    .replaceAll("_", "")
    .replace(/^0(?=[0-7])/, "0o");
  const value = BigInt(digits) * BigInt(sign);
  if (value < -(1n << 63n) || value >= 1n << 63n) {
    throw new Error(`strconv.ParseInt: parsing ${goQuote(text)}: value out of range`);
  }
  return Number(value);
}

function parseFloatGo(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value))
    throw new Error(`strconv.ParseFloat: parsing ${goQuote(text)}: invalid syntax`);
  return value;
}

/** Go's %q for a string. */
export function goQuote(text: string): string {
  return JSON.stringify(text).replace(/\\u00([0-9a-f]{2})/g, "\\x$1");
}
