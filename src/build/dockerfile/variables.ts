import { SyntaxFault } from "./dockerfile-error.ts";
import { checkCost, shellPattern, trimPrefix, trimSuffix } from "./shell-pattern.ts";

/** Where variables come from: undefined = not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  /** `\` or a backquote. */
  readonly escape: string;
  /** Quotes stay in the text. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the text. */
  readonly rawEscapes?: boolean;
  /** Quotes are characters like others: content of here-documents. */
  readonly plainQuotes?: boolean;
  /** What is not set stays as it is written. */
  readonly keepUnset?: boolean;
}

export interface Expanded {
  readonly text: string;
  /** The text's words: quoted blanks do not part them, blanks from variables do. */
  readonly words: readonly string[];
  readonly used: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

/** Expands variables, quotes and escapes as the Dockerfile language does. Throws SyntaxFault. */
export function expand(source: string, lookup: Lookup, options: ExpandOptions): Expanded {
  try {
    return new Expander(source, lookup, options).whole();
  } catch (error) {
    if (error instanceof SyntaxFault) throw new SyntaxFault(`failed to process "${source}": ${error.message}`);
    throw error;
  }
}

/** No process could be given more in one variable (MAX_ARG_STRLEN). */
const maxMade = 128 * 1024;

const specialParameters = "@*#?-$!0";
const isBlank = (char: string): boolean => /\s/u.test(char);

class Expander {
  readonly #chars: readonly string[];
  readonly #lookup: Lookup;
  readonly #options: ExpandOptions;
  readonly #used = new Set<string>();
  readonly #unset = new Set<string>();
  #at = 0;
  #made = 0;
  #rawEscapes: boolean;

  constructor(source: string, lookup: Lookup, options: ExpandOptions) {
    this.#chars = [...source];
    this.#lookup = lookup;
    this.#options = options;
    this.#rawEscapes = options.rawEscapes === true;
  }

  whole(): Expanded {
    const { text, words } = this.#until("", this.#rawEscapes);
    return { text, words, used: this.#used, unset: this.#unset };
  }

  get #next(): string {
    return this.#chars[this.#at] ?? "";
  }

  #take(): string {
    return this.#chars[this.#at++] ?? "";
  }

  get #atEnd(): boolean {
    return this.#at >= this.#chars.length;
  }

  /** Reads to `stop`, which is taken, or to the end when it is empty. */
  #until(stop: string, rawEscapes: boolean): { text: string; words: string[] } {
    const before = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    try {
      return this.#read(stop);
    } finally {
      this.#rawEscapes = before;
    }
  }

  #read(stop: string): { text: string; words: string[] } {
    let text = "";
    const words = new Words();
    while (!this.#atEnd) {
      const char = this.#next;
      if (stop !== "" && char === stop) {
        this.#at++;
        return { text, words: words.end() };
      }
      const isQuote = (char === "'" || char === '"') && !this.#options.plainQuotes;
      if (isQuote || char === "$" || char === "<") {
        const piece = this.#special(char);
        text += piece;
        if (char === "$") words.addText(piece);
        else words.addRaw(piece);
        continue;
      }
      this.#at++;
      if (char !== this.#options.escape) {
        words.addText(char);
        text += char;
        continue;
      }
      if (this.#rawEscapes) {
        words.addRaw(char);
        text += char;
      }
      if (this.#atEnd) break;
      const escaped = this.#take();
      words.addRaw(escaped);
      text += escaped;
    }
    if (stop !== "") throw new SyntaxFault(`unexpected end of statement while looking for matching ${stop}`);
    return { text, words: words.end() };
  }

  #special(char: string): string {
    if (char === "$") return this.#dollar();
    if (char === "<") return this.#heredocMark();
    return char === "'" ? this.#singleQuoted() : this.#doubleQuoted();
  }

  #heredocMark(): string {
    this.#at++;
    if (this.#chars[this.#at] !== "<") return "<";
    this.#at++;
    let mark = "<<";
    while (/^[ \t]$/.test(this.#next)) mark += this.#take();
    return mark;
  }

  #singleQuoted(): string {
    let text = this.#quote();
    for (;;) {
      if (this.#atEnd) throw new SyntaxFault("unexpected end of statement while looking for matching single-quote");
      if (this.#next === "'") return text + this.#quote();
      text += this.#take();
    }
  }

  #doubleQuoted(): string {
    let text = this.#quote();
    for (;;) {
      if (this.#atEnd) throw new SyntaxFault("unexpected end of statement while looking for matching double-quote");
      if (this.#next === '"') return text + this.#quote();
      if (this.#next === "$") {
        text += this.#dollar();
        continue;
      }
      const char = this.#take();
      if (char !== this.#options.escape) {
        text += char;
        continue;
      }
      if (this.#rawEscapes) text += char;
      if (this.#atEnd) continue;
      const escapable = this.#next === '"' || this.#next === "$" || this.#next === this.#options.escape;
      text += escapable ? this.#take() : this.#rawEscapes ? "" : char;
    }
  }

  #quote(): string {
    const char = this.#take();
    return this.#options.rawQuotes ? char : "";
  }

  #dollar(): string {
    const value = this.#substituted();
    this.#grow(value.length);
    return value;
  }

  /** Variables made of each other grow faster than the file that makes them. */
  #grow(length: number): void {
    this.#made += length;
    if (this.#made > maxMade) throw new SyntaxFault(`variables add more than ${maxMade} characters`);
  }

  #substituted(): string {
    this.#at++;
    if (this.#next !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      const value = this.#value(name);
      return value ?? (this.#options.keepUnset ? `$${name}` : "");
    }
    this.#at++;
    if (this.#atEnd) throw new SyntaxFault("syntax error: missing '}'");
    if ("{}:".includes(this.#next)) throw new SyntaxFault("syntax error: bad substitution");
    return this.#braced(this.#name());
  }

  #braced(name: string): string {
    const first = this.#take();
    if (first === "}") return this.#value(name) ?? (this.#options.keepUnset ? `\${${name}}` : "");
    if (first === "/") return this.#replaced(name);
    const emptyIsUnset = first === ":";
    const operator = emptyIsUnset ? this.#take() : first;
    const written = emptyIsUnset ? `:${operator}` : operator;
    const isTrim = operator === "#" || operator === "%";
    if (!"+-?#%".includes(operator) || operator === "" || (emptyIsUnset && isTrim))
      throw new SyntaxFault(
        this.#atEnd && operator === ""
          ? "syntax error: missing '}'"
          : `unsupported modifier (${written}) in substitution`,
      );
    const word = this.#closed("}", isTrim, "syntax error: missing '}'");
    const value = this.#value(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}${written}${word}}`;
    const missing = value === undefined || (emptyIsUnset && value === "");
    switch (operator) {
      case "-":
        return missing ? word : (value ?? "");
      case "+":
        return missing ? "" : word;
      case "?":
        if (value === undefined) throw new SyntaxFault(`${name}: ${word || "is not allowed to be unset"}`);
        if (missing) throw new SyntaxFault(`${name}: ${word || "is not allowed to be empty"}`);
        return value;
      default: {
        const greedy = word.startsWith(operator);
        const pattern = greedy ? word.slice(1) : word;
        return operator === "%" ? trimSuffix(pattern, value ?? "", greedy) : trimPrefix(pattern, value ?? "", greedy);
      }
    }
  }

  #replaced(name: string): string {
    const all = this.#next === "/";
    if (all) this.#at++;
    const pattern = this.#closed("/", true, "syntax error: missing '/' in ${}");
    const replacement = this.#closed("}", true, "syntax error: missing '}'");
    const value = this.#value(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}/${pattern}/${replacement}}`;
    checkCost(pattern, value ?? "");
    return (value ?? "").replace(new RegExp(shellPattern(pattern, true), all ? "gsu" : "su"), () => {
      this.#grow(replacement.length);
      return replacement;
    });
  }

  #closed(stop: string, rawEscapes: boolean, missing: string): string {
    try {
      return this.#until(stop, rawEscapes).text;
    } catch (error) {
      if (error instanceof SyntaxFault && this.#atEnd) throw new SyntaxFault(missing);
      throw error;
    }
  }

  /** Letters, digits and `_`; only digits when it starts with one; or one special parameter of the shell. */
  #name(): string {
    const rest = this.#chars.slice(this.#at).join("");
    const name = /^(?:[0-9]+|[\p{L}_][\p{L}\p{Nd}_]*)/u.exec(rest)?.[0];
    if (name !== undefined) {
      this.#at += [...name].length;
      return name;
    }
    return this.#next !== "" && specialParameters.includes(this.#next) ? this.#take() : "";
  }

  #value(name: string): string | undefined {
    const value = this.#lookup(name);
    (value === undefined ? this.#unset : this.#used).add(name);
    return value;
  }
}

class Words {
  readonly #words: string[] = [];
  #word = "";

  /** Text whose blanks part words. */
  addText(text: string): void {
    for (const char of text) {
      if (!isBlank(char)) this.#word += char;
      else this.end();
    }
  }

  addRaw(text: string): void {
    this.#word += text;
  }

  end(): string[] {
    if (this.#word !== "") this.#words.push(this.#word);
    this.#word = "";
    return this.#words;
  }
}
