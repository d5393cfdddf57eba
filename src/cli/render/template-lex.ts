import { quote } from "./go-string.ts";

export type TokenKind =
  | "text"
  | "left"
  | "right"
  | "comment"
  | "space"
  | "char"
  | "string"
  | "charConstant"
  | "number"
  | "bool"
  | "nil"
  | "dot"
  | "field"
  | "variable"
  | "identifier"
  | "keyword"
  | "assign"
  | "declare"
  | "pipe"
  | "("
  | ")"
  | "eof"
  | "error";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the source. */
  readonly at: number;
  readonly line: number;
}

const keywords = new Set(["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"]);
const wordPattern = /[\p{L}\p{Nd}_]*/uy;

/** U+0040 '@', as Go names a character. */
function characterName(char: string): string {
  const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `U+${code}${/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char) ? ` '${char}'` : ""}`;
}

/** Tokens of a Go template; the last one is "eof" or "error" (whose text is the message). */
export function lexTemplate(source: string): Token[] {
  return new Lexer(source).run();
}

class Lexer {
  private readonly source: string;
  private readonly tokens: Token[] = [];
  private at = 0;
  private line = 1;
  private parentheses = 0;

  constructor(source: string) {
    this.source = source;
  }

  run(): Token[] {
    while (this.at < this.source.length) {
      if (!this.text() || !this.action()) return this.tokens;
    }
    this.emit("eof", "");
    return this.tokens;
  }

  private emit(kind: TokenKind, text: string): true {
    this.tokens.push({ kind, text, at: this.at, line: this.line });
    this.at += text.length;
    for (const char of text) if (char === "\n") this.line += 1;
    return true;
  }

  private fail(message: string): false {
    this.tokens.push({ kind: "error", text: message, at: this.at, line: this.line });
    return false;
  }

  /** Moves on without a token. */
  private skip(length: number): void {
    for (let index = this.at; index < this.at + length; index += 1) if (this.source[index] === "\n") this.line += 1;
    this.at += length;
  }

  private rest(offset = 0): string {
    return this.source.slice(this.at + offset);
  }

  /** Literal text up to the next action; `{{-` eats the white space before it. */
  private text(): boolean {
    const open = this.source.indexOf("{{", this.at);
    if (open < 0) {
      this.emit("text", this.rest());
      return true;
    }
    const raw = this.source.slice(this.at, open);
    const kept = /^- |^-[\t\r\n]/.test(this.source.slice(open + 2, open + 4)) ? raw.trimEnd() : raw;
    if (kept !== "") this.emit("text", kept);
    this.skip(open - this.at);
    return true;
  }

  /** One `{{...}}`. False after an error. */
  private action(): boolean {
    if (this.at >= this.source.length) return true;
    const trimmed = /^\{\{-[ \t\r\n]/.test(this.source.slice(this.at, this.at + 4));
    const opening = trimmed ? 4 : 2;
    if (this.source.startsWith("/*", this.at + opening)) return this.comment(opening);
    this.tokens.push({ kind: "left", text: "{{", at: this.at, line: this.line });
    this.skip(trimmed ? 3 : 2);
    this.parentheses = 0;
    for (;;) {
      const closing = this.closing();
      if (closing > 0) {
        if (this.parentheses > 0) return this.fail("unclosed left paren");
        this.tokens.push({ kind: "right", text: "}}", at: this.at + closing - 2, line: this.line });
        this.skip(closing);
        if (closing > 2) this.skip((/^[ \t\r\n]*/.exec(this.rest())?.[0] ?? "").length);
        return true;
      }
      if (!this.inside()) return false;
    }
  }

  /** Length of the closing delimiter here, with its trim marker; 0 if it is not here. */
  private closing(): number {
    if (this.source.startsWith("}}", this.at)) return 2;
    return /^[ \t\r\n]-\}\}/.test(this.source.slice(this.at, this.at + 4)) ? 4 : 0;
  }

  private comment(opening: number): boolean {
    const end = this.source.indexOf("*/", this.at + opening);
    if (end < 0) return this.fail("unclosed comment");
    this.skip(end + 2 - this.at);
    const closing = this.closing();
    if (closing === 0) return this.fail("comment ends before closing delimiter");
    this.skip(closing);
    if (closing > 2) this.skip((/^[ \t\r\n]*/.exec(this.rest())?.[0] ?? "").length);
    return true;
  }

  /** One token inside an action. */
  private inside(): boolean {
    if (this.at >= this.source.length) return this.fail("unclosed action");
    const char = String.fromCodePoint(this.source.codePointAt(this.at) ?? 0);
    if (/[ \t\r\n]/.test(char)) return this.space();
    if (char === "=") return this.emit("assign", char);
    if (char === ":") return this.source[this.at + 1] === "=" ? this.emit("declare", ":=") : this.fail("expected :=");
    if (char === "|") return this.emit("pipe", char);
    if (char === '"') return this.quoted(/"(?:\\[^\n]|[^"\\\n])*"/y, "string", "unterminated quoted string");
    if (char === "`") return this.quoted(/`[^`]*`/y, "string", "unterminated raw quoted string");
    if (char === "'") return this.quoted(/'(?:\\[^\n]|[^'\\\n])*'/y, "charConstant", "unterminated character constant");
    if (char === "$") return this.word("variable", 1);
    if (char === "." && !/[0-9]/.test(this.source[this.at + 1] ?? "")) {
      // A dot at the very end of the source is a number to Go's lexer, and a bad one.
      return this.at + 1 < this.source.length ? this.word("field", 1) : this.number();
    }
    if (/[.+\-0-9]/.test(char)) return this.number();
    if (/[\p{L}\p{Nd}_]/u.test(char)) return this.word("identifier", 0);
    if (char === "(") {
      this.parentheses += 1;
      return this.emit("(", char);
    }
    if (char === ")") {
      this.parentheses -= 1;
      return this.parentheses < 0 ? this.fail("unexpected right paren") : this.emit(")", char);
    }
    if (/^[!-~]$/.test(char)) return this.emit("char", char);
    return this.fail(`unrecognized character in action: ${characterName(char)}`);
  }

  private space(): true {
    let length = /^[ \t\r\n]+/.exec(this.rest())?.[0].length ?? 1;
    // The last space belongs to a trim marker that follows.
    if (this.source.startsWith("-}}", this.at + length)) length -= 1;
    return this.emit("space", this.source.slice(this.at, this.at + length));
  }

  private quoted(pattern: RegExp, kind: TokenKind, message: string): boolean {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.source);
    return match === null ? this.fail(message) : this.emit(kind, match[0]);
  }

  /** A name, a field or a variable; it must end where Go says it may. */
  private word(kind: "identifier" | "field" | "variable", prefix: number): boolean {
    wordPattern.lastIndex = this.at + prefix;
    const body = wordPattern.exec(this.source)?.[0] ?? "";
    const end = this.at + prefix + body.length;
    const text = this.source.slice(this.at, end);
    if (!this.terminated(end))
      return this.fail(`bad character ${characterName(String.fromCodePoint(this.source.codePointAt(end) ?? 0))}`);
    if (text === ".") return this.emit("dot", text);
    if (kind !== "identifier") return this.emit(kind, text);
    if (keywords.has(text)) return this.emit("keyword", text);
    if (text === "nil") return this.emit("nil", text);
    return this.emit(text === "true" || text === "false" ? "bool" : "identifier", text);
  }

  private terminated(at: number): boolean {
    if (at >= this.source.length) return true;
    return /[ \t\r\n.,|:()]/.test(this.source[at] ?? "") || this.source.startsWith("}}", at);
  }

  private number(): boolean {
    const match =
      /^[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?/.exec(
        this.rest(),
      );
    const text = match?.[0] ?? "";
    const next = this.source[this.at + text.length] ?? "";
    if (/[\p{L}\p{Nd}_]/u.test(next)) return this.fail(`bad number syntax: ${quote(text + next)}`);
    return text === "" ? this.fail(`bad number syntax: ${quote(next)}`) : this.emit("number", text);
  }
}
