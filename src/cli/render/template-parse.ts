import { quote, unescape, unquote } from "./go-string.ts";
import { lexTemplate, type Token, type TokenKind } from "./template-lex.ts";

export interface PipeNode {
  readonly kind: "pipe";
  readonly at: number;
  readonly declared: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly CommandNode[];
}
export interface CommandNode {
  readonly kind: "command";
  readonly at: number;
  readonly words: readonly [Operand, ...Operand[]];
}
export type Operand =
  | { readonly kind: "field"; readonly at: number; readonly names: readonly string[] }
  | { readonly kind: "variable"; readonly at: number; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: "chain"; readonly at: number; readonly of: Operand; readonly names: readonly string[] }
  | { readonly kind: "function"; readonly at: number; readonly name: string }
  | { readonly kind: "dot" | "nil"; readonly at: number }
  | { readonly kind: "constant"; readonly at: number; readonly value: string | number | boolean; readonly text: string }
  | PipeNode;
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly at: number; readonly pipe: PipeNode }
  | BranchNode
  | { readonly kind: "template"; readonly at: number; readonly name: string; readonly pipe: PipeNode | undefined }
  | { readonly kind: "break" | "continue"; readonly at: number };
export interface BranchNode {
  readonly kind: "if" | "with" | "range";
  readonly at: number;
  readonly pipe: PipeNode;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[] | undefined;
}
export interface ParsedTemplate {
  readonly name: string;
  readonly source: string;
  readonly main: readonly Node[];
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

/** A template that does not parse; the message is Go's. */
export class TemplateError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TemplateError";
  }
}

export interface ParseOptions {
  /** Of the template, for error texts. */
  readonly name: string;
  /** Which functions exist. */
  readonly known: (name: string) => boolean;
}

/** Reads a Go text/template. */
export function parseTemplate(source: string, options: ParseOptions): ParsedTemplate {
  return new Parser(source, options).run();
}

type Ending = { readonly kind: "end" } | { readonly kind: "else" };
const endings: Readonly<Record<string, Ending>> = { end: { kind: "end" }, else: { kind: "else" } };
const operandKinds = new Set<TokenKind>([
  "bool",
  "charConstant",
  "dot",
  "field",
  "identifier",
  "number",
  "nil",
  "string",
  "variable",
  "(",
]);
/** Nesting that a person writes is under ten; this keeps a hostile one from exhausting the stack. */
const maxDepth = 200;

class Parser {
  private readonly source: string;
  private readonly options: ParseOptions;
  private readonly tokens: Token[];
  private readonly defined = new Map<string, readonly Node[]>();
  private next = 0;
  private variables = ["$"];
  private ranges = 0;
  private depth = 0;

  constructor(source: string, options: ParseOptions) {
    this.source = source;
    this.options = options;
    this.tokens = lexTemplate(source);
  }

  run(): ParsedTemplate {
    const main: Node[] = [];
    while (this.peek().kind !== "eof") {
      if (this.peek().kind === "left" && this.peekAfterLeft()?.text === "define") {
        this.take();
        this.takeNonSpace();
        this.definition();
        continue;
      }
      const node = this.textOrAction();
      if (node.kind === "end" || node.kind === "else") this.fail(`unexpected {{${node.kind}}}`);
      else main.push(node);
    }
    return { name: this.options.name, source: this.source, main, defined: this.defined };
  }

  private peek(): Token {
    const token = this.tokens[this.next];
    return token ?? { kind: "eof", text: "", at: this.source.length, line: 1 };
  }

  private take(): Token {
    const token = this.peek();
    this.next += 1;
    return token;
  }

  private peekNonSpace(): Token {
    while (this.peek().kind === "space") this.next += 1;
    return this.peek();
  }

  private takeNonSpace(): Token {
    this.peekNonSpace();
    return this.take();
  }

  private peekAfterLeft(): Token | undefined {
    const after = this.tokens[this.next + 1];
    return after?.kind === "space" ? this.tokens[this.next + 2] : after;
  }

  private fail(
    message: string,
    line = this.tokens[Math.min(Math.max(this.next - 1, 0), this.tokens.length - 1)]?.line ?? 1,
  ): never {
    throw new TemplateError(`template: ${this.options.name}:${line}: ${message}`);
  }

  private unexpected(token: Token, context: string): never {
    if (token.kind === "error") this.fail(token.text, token.line);
    this.fail(`unexpected ${describe(token)} in ${context}`, token.line);
  }

  private expect(kind: TokenKind, context: string): Token {
    const token = this.takeNonSpace();
    return token.kind === kind ? token : this.unexpected(token, context);
  }

  private definition(): void {
    const context = "define clause";
    const name = this.templateName(this.takeNonSpace(), context);
    this.expect("right", context);
    const saved = this.variables;
    this.variables = ["$"];
    const { nodes, ending } = this.list();
    if (ending.kind !== "end") this.fail(`unexpected {{${ending.kind}}} in ${context}`);
    this.variables = saved;
    this.define(name, nodes);
  }

  private define(name: string, nodes: readonly Node[]): void {
    if (this.defined.has(name)) this.fail(`template: multiple definition of template ${quote(name)}`);
    this.defined.set(name, nodes);
  }

  private templateName(token: Token, context: string): string {
    if (token.kind !== "string") this.unexpected(token, context);
    return unquote(token.text) ?? this.fail("invalid syntax");
  }

  /** Nodes up to `{{end}}` or `{{else}}`. */
  private list(): { nodes: Node[]; ending: Ending } {
    this.depth += 1;
    if (this.depth > maxDepth) this.fail("template nests too deeply");
    const nodes: Node[] = [];
    while (this.peekNonSpace().kind !== "eof") {
      const node = this.textOrAction();
      if (node.kind === "end" || node.kind === "else") {
        this.depth -= 1;
        return { nodes, ending: node };
      }
      nodes.push(node);
    }
    return this.fail("unexpected EOF", this.peek().line);
  }

  private textOrAction(): Node | Ending {
    const token = this.takeNonSpace();
    if (token.kind === "text") return { kind: "text", text: token.text };
    if (token.kind === "left") return this.action();
    return this.unexpected(token, "input");
  }

  private action(): Node | Ending {
    const token = this.peekNonSpace();
    if (token.kind === "keyword") {
      this.take();
      if (token.text === "if" || token.text === "with" || token.text === "range")
        return this.branch(token.text, token.at);
      if (token.text === "end") {
        this.expect("right", "end");
        return endings["end"] ?? this.fail("unexpected end");
      }
      if (token.text === "else") {
        const after = this.peekNonSpace();
        if (after.kind !== "keyword" || (after.text !== "if" && after.text !== "with")) this.expect("right", "else");
        return { kind: "else" };
      }
      if (token.text === "break" || token.text === "continue") {
        const after = this.takeNonSpace();
        if (after.kind !== "right") this.unexpected(after, `{{${token.text}}}`);
        if (this.ranges === 0) this.fail(`{{${token.text}}} outside {{range}}`);
        return { kind: token.text, at: token.at };
      }
      if (token.text === "template") return this.invocation();
      if (token.text === "block") return this.block();
      this.unexpected(token, "command");
    }
    const pipe = this.scoped(() => this.pipeline("command", "right"), true);
    return { kind: "action", at: token.at, pipe };
  }

  /** Runs with the variables declared inside forgotten after it, unless they are to be kept. */
  private scoped<T>(parse: () => T, keep = false): T {
    const count = this.variables.length;
    const result = parse();
    if (!keep) this.variables.length = count;
    return result;
  }

  private branch(kind: "if" | "with" | "range", at: number): BranchNode {
    return this.scoped(() => {
      const pipe = this.pipeline(kind, "right");
      if (kind === "range") this.ranges += 1;
      const { nodes: body, ending } = this.list();
      if (kind === "range") this.ranges -= 1;
      if (ending.kind === "end") return { kind, at, pipe, body, otherwise: undefined };
      const after = this.peek();
      // {{else if}} shares the {{end}} of its {{if}}; {{else with}} likewise.
      if (kind !== "range" && after.kind === "keyword" && after.text === kind) {
        this.take();
        return { kind, at, pipe, body, otherwise: [this.branch(kind, after.at)] };
      }
      if (after.kind === "keyword") {
        this.take();
        this.unexpected(after, "input");
      }
      const rest = this.list();
      if (rest.ending.kind !== "end") this.fail(`expected end; found {{${rest.ending.kind}}}`);
      return { kind, at, pipe, body, otherwise: rest.nodes };
    });
  }

  private invocation(): Node {
    const context = "template clause";
    const { at } = this.peekNonSpace();
    const name = this.templateName(this.takeNonSpace(), context);
    if (this.peekNonSpace().kind === "right") {
      this.take();
      return { kind: "template", at, name, pipe: undefined };
    }
    return { kind: "template", at, name, pipe: this.pipeline(context, "right") };
  }

  private block(): Node {
    const context = "block clause";
    const { at } = this.peekNonSpace();
    const name = this.templateName(this.takeNonSpace(), context);
    const pipe = this.pipeline(context, "right");
    const saved = this.variables;
    this.variables = ["$"];
    const { nodes, ending } = this.list();
    if (ending.kind !== "end") this.fail(`unexpected {{${ending.kind}}} in ${context}`);
    this.variables = saved;
    this.define(name, nodes);
    return { kind: "template", at, name, pipe };
  }

  private pipeline(context: string, end: "right" | ")"): PipeNode {
    this.depth += 1;
    if (this.depth > maxDepth) this.fail("template nests too deeply");
    const at = this.peekNonSpace().at;
    const { declared, assigns } = this.declarations(context);
    const commands: CommandNode[] = [];
    for (;;) {
      const token = this.takeNonSpace();
      if (token.kind === end) break;
      if (!operandKinds.has(token.kind)) this.unexpected(token, context);
      this.next -= 1;
      commands.push(this.command());
    }
    if (commands.length === 0) this.fail(`missing value for ${context}`);
    for (const [index, { words }] of commands.entries()) {
      const first = words[0].kind;
      if (index > 0 && (first === "constant" || first === "dot" || first === "nil"))
        this.fail(`non executable command in pipeline stage ${index + 1}`);
    }
    this.depth -= 1;
    return { kind: "pipe", at, declared, assigns, commands };
  }

  private declarations(context: string): { declared: string[]; assigns: boolean } {
    const declared: string[] = [];
    for (;;) {
      const start = this.next;
      if (this.peekNonSpace().kind !== "variable") return { declared, assigns: false };
      const name = this.take().text;
      const after = this.peekNonSpace();
      if (after.kind === "assign" || after.kind === "declare") {
        this.take();
        declared.push(name);
        if (after.kind === "declare") this.variables.push(name);
        else if (!this.variables.includes(name)) this.fail(`undefined variable ${quote(name)}`);
        return { declared, assigns: after.kind === "assign" };
      }
      if (after.kind !== "char" || after.text !== ",") {
        this.next = start;
        return { declared, assigns: false };
      }
      this.take();
      declared.push(name);
      this.variables.push(name);
      if (context !== "range" || declared.length >= 2) this.fail(`too many declarations in ${context}`);
      const following = this.peekNonSpace().kind;
      if (following !== "variable" && following !== "right" && following !== ")")
        this.fail("range can only initialize variables");
    }
  }

  private command(): CommandNode {
    const at = this.peekNonSpace().at;
    const words: Operand[] = [];
    for (;;) {
      this.peekNonSpace();
      const operand = this.operand();
      if (operand !== undefined) words.push(operand);
      const token = this.take();
      if (token.kind === "space") continue;
      if (token.kind === "right" || token.kind === ")") {
        this.next -= 1;
        break;
      }
      if (token.kind === "pipe") break;
      this.unexpected(token, "operand");
    }
    const [first, ...rest] = words;
    if (first === undefined) this.fail("empty command");
    return { kind: "command", at, words: [first, ...rest] };
  }

  private operand(): Operand | undefined {
    const term = this.term();
    if (term === undefined || this.peek().kind !== "field") return term;
    const at = this.peek().at;
    const names: string[] = [];
    while (this.peek().kind === "field") names.push(this.take().text.slice(1));
    if (term.kind === "field") return { kind: "field", at, names: [...term.names, ...names] };
    if (term.kind === "variable") return { kind: "variable", at, name: term.name, names: [...term.names, ...names] };
    if (term.kind === "constant" || term.kind === "nil" || term.kind === "dot")
      this.fail(`unexpected . after term ${quote(operandText(term))}`);
    return { kind: "chain", at, of: term, names };
  }

  private term(): Operand | undefined {
    const token = this.takeNonSpace();
    const { at, text } = token;
    switch (token.kind) {
      case "identifier":
        if (!this.options.known(text)) this.fail(`function ${quote(text)} not defined`);
        return { kind: "function", at, name: text };
      case "dot":
        return { kind: "dot", at };
      case "nil":
        return { kind: "nil", at };
      case "variable":
        if (!this.variables.includes(text)) this.fail(`undefined variable ${quote(text)}`);
        return { kind: "variable", at, name: text, names: [] };
      case "field":
        return { kind: "field", at, names: [text.slice(1)] };
      case "bool":
        return { kind: "constant", at, value: text === "true", text };
      case "number":
      case "charConstant":
        return { kind: "constant", at, value: this.number(token), text };
      case "string":
        return { kind: "constant", at, value: unquote(text) ?? this.fail("invalid syntax"), text };
      case "(":
        return this.pipeline("parenthesized pipeline", ")");
      default:
        this.next -= 1;
        return undefined;
    }
  }

  private number({ kind, text }: Token): number {
    if (kind === "charConstant") {
      const value = unescape(text.slice(1, -1), "'");
      if (value === undefined || [...value].length !== 1) this.fail(`malformed character constant: ${text}`);
      return value.codePointAt(0) ?? 0;
    }
    const body = text
      .replaceAll("_", "")
      .replace(/^[+-]/, "")
      .replace(/^0(?=[0-9]+$)/, "0o");
    const value = body === "" || body === "." ? Number.NaN : Number(body);
    if (Number.isNaN(value)) this.fail(`bad number syntax: ${quote(text)}`);
    if (/^(?:\d+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+)$/.test(body) && BigInt(body) >= 1n << 64n)
      this.fail(`integer overflow: ${quote(text)}`);
    return text.startsWith("-") ? -value : value;
  }
}

/** How Go names a token in "unexpected ...". */
function describe(token: Token): string {
  if (token.kind === "eof") return "EOF";
  if (token.kind === "keyword" || token.kind === "dot" || token.kind === "nil") return `<${token.text}>`;
  return [...token.text].length > 10 ? `${quote([...token.text].slice(0, 10).join(""))}...` : quote(token.text);
}

/** The source form of an operand, for `at <...>` in errors. */
export function operandText(node: Operand | CommandNode | Extract<Node, { kind: "template" }>): string {
  switch (node.kind) {
    case "field":
      return node.names.map((name) => `.${name}`).join("");
    case "variable":
      return [node.name, ...node.names].join(".");
    case "chain":
      return `${node.of.kind === "pipe" ? `(${operandText(node.of)})` : operandText(node.of)}.${node.names.join(".")}`;
    case "function":
      return node.name;
    case "template":
      return `{{template ${quote(node.name)}${node.pipe === undefined ? "" : ` ${operandText(node.pipe)}`}}}`;
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "constant":
      return node.text;
    case "command":
      return node.words.map((word) => (word.kind === "pipe" ? `(${operandText(word)})` : operandText(word))).join(" ");
    case "pipe": {
      const commands = node.commands.map(operandText).join(" | ");
      return node.declared.length === 0
        ? commands
        : `${node.declared.join(", ")} ${node.assigns ? "=" : ":="} ${commands}`;
    }
  }
}
