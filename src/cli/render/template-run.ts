import { formatValue } from "./go-print.ts";
import { quote } from "./go-string.ts";
import { GoNil, GoStruct, isMap, isTrue, mapEntry, sortedKeys, typeName } from "./go-value.ts";
import { CallError, type TemplateFunction } from "./template-functions.ts";
import {
  type BranchNode,
  type CommandNode,
  type Node,
  type Operand,
  operandText,
  type ParsedTemplate,
  type PipeNode,
  TemplateError,
} from "./template-parse.ts";

export interface RunOptions {
  /** What a missing map entry is: `<no value>`, or an error (docker inspect's second attempt). */
  readonly missingKey?: "default" | "error";
  readonly functions: Readonly<Record<string, TemplateFunction>>;
}

/** A break or continue on its way to its range. */
type Jump = "break" | "continue" | undefined;
type Located = Operand | CommandNode | Extract<Node, { kind: "template" }>;
type Method = (...args: string[]) => unknown;
const isMethod = (value: unknown): value is Method => typeof value === "function";
/** "No last argument": differs from an argument that is undefined. */
const none = Symbol("none");

/** Writes the template for one value. */
export function runTemplate(template: ParsedTemplate, data: unknown, options: RunOptions): string {
  const run = new Run(template, options, template.name);
  return run.start(template.main, data);
}

/** text/template's own bound on templates that call themselves; ours is lower as the stack is smaller. */
const maxDepth = 1000;

class Run {
  private readonly template: ParsedTemplate;
  private readonly options: RunOptions;
  private readonly name: string;
  private readonly depth: number;
  private readonly out: string[] = [];
  private variables: { name: string; value: unknown }[] = [];
  private where: Located = { kind: "dot", at: 0 };

  constructor(template: ParsedTemplate, options: RunOptions, name: string, depth = 0) {
    this.template = template;
    this.options = options;
    this.name = name;
    this.depth = depth;
  }

  start(nodes: readonly Node[], dot: unknown): string {
    this.variables = [{ name: "$", value: dot }];
    this.walk(nodes, dot);
    return this.out.join("");
  }

  private fail(message: string, node: Located = this.where): never {
    const before = this.template.source.slice(0, node.at);
    const newline = before.lastIndexOf("\n");
    const column = Buffer.byteLength(newline < 0 ? before : before.slice(newline + 1));
    throw new TemplateError(
      `template: ${this.template.name}:${before.split("\n").length}:${column}: executing ${quote(this.name)} at <${operandText(node)}>: ${message}`,
    );
  }

  private walk(nodes: readonly Node[], dot: unknown): Jump {
    for (const node of nodes) {
      const jump = this.step(node, dot);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  private step(node: Node, dot: unknown): Jump {
    switch (node.kind) {
      case "text":
        this.out.push(node.text);
        return undefined;
      case "action": {
        const value = this.pipe(node.pipe, dot);
        if (node.pipe.declared.length === 0) this.print(value);
        return undefined;
      }
      case "template":
        this.invoke(node, dot);
        return undefined;
      case "break":
      case "continue":
        return node.kind;
      case "range":
        return this.inScope(() => this.range(node, dot));
      default:
        return this.inScope(() => this.condition(node, dot));
    }
  }

  private inScope<T>(body: () => T): T {
    const mark = this.variables.length;
    const result = body();
    this.variables.length = mark;
    return result;
  }

  private print(value: unknown): void {
    if (typeof value === "function") this.fail(`can't print ${typeName(value)}`);
    this.out.push(value === undefined || value === null ? "<no value>" : formatValue(value));
  }

  private condition(node: BranchNode, dot: unknown): Jump {
    const value = this.pipe(node.pipe, dot);
    if (isTrue(value)) return this.walk(node.body, node.kind === "with" ? value : dot);
    return node.otherwise === undefined ? undefined : this.walk(node.otherwise, dot);
  }

  private range(node: BranchNode, dot: unknown): Jump {
    const value = this.pipe(node.pipe, dot, true);
    const mark = this.variables.length;
    let ran = false;
    for (const [key, item] of this.items(value, node.pipe)) {
      ran = true;
      const { declared, assigns } = node.pipe;
      const [first, second] = declared;
      const pairs: [string | undefined, unknown][] =
        second === undefined
          ? [[first, typeof value === "number" ? key : item]]
          : [
              [first, key],
              [second, item],
            ];
      for (const [name, given] of pairs) {
        if (name === undefined) continue;
        if (assigns) this.assign(name, given);
        else this.variables.push({ name, value: given });
      }
      const jump = this.walk(node.body, item);
      this.variables.length = mark;
      if (jump === "break") break;
    }
    if (!ran && node.otherwise !== undefined) return this.walk(node.otherwise, dot);
    return undefined;
  }

  private *items(value: unknown, pipe: PipeNode): Generator<[unknown, unknown]> {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) {
      yield* value.entries();
    } else if (typeof value === "number" && Number.isInteger(value)) {
      for (let index = 0; index < value; index += 1) yield [index, index];
    } else if (isMap(value)) {
      for (const key of sortedKeys(value)) yield [key, value[key]];
    } else if (value instanceof GoNil) {
      if (value.kind === "pointer") this.fail("range can't iterate over <nil>", pipe);
    } else this.fail(`range can't iterate over ${formatValue(value)}`, pipe);
  }

  private invoke(node: Extract<Node, { kind: "template" }>, dot: unknown): void {
    const { name, pipe } = node;
    const nodes = this.template.defined.get(name);
    if (nodes === undefined) this.fail(`template ${quote(name)} not defined`, node);
    if (this.depth >= maxDepth) this.fail(`exceeded maximum template depth (${maxDepth})`);
    const value = pipe === undefined ? undefined : this.pipe(pipe, dot);
    this.out.push(new Run(this.template, this.options, name, this.depth + 1).start(nodes, value));
  }

  private assign(name: string, value: unknown): void {
    const found = this.variables.findLast((variable) => variable.name === name);
    if (found === undefined) this.fail(`undefined variable: ${name}`);
    found.value = value;
  }

  /** The value of a pipeline; a range declares its own variables for each item. */
  private pipe(pipe: PipeNode, dot: unknown, ranged = false): unknown {
    this.where = pipe;
    let value: unknown = none;
    for (const command of pipe.commands) value = this.command(command, dot, value);
    if (!ranged) {
      for (const name of pipe.declared) {
        if (pipe.assigns) this.assign(name, value);
        else this.variables.push({ name, value });
      }
    }
    return value;
  }

  private command(command: CommandNode, dot: unknown, last: unknown): unknown {
    const [first, ...args] = command.words;
    if (first.kind === "field") return this.fields(dot, first, first.names, { args, last, dot });
    if (first.kind === "chain") return this.fields(this.chainBase(first, dot), first, first.names, { args, last, dot });
    if (first.kind === "variable") return this.variable(first, { args, last, dot });
    if (first.kind === "function") return this.function(first, command, { args, last, dot });
    this.where = first;
    if (args.length > 0 || last !== none) this.fail(`can't give argument to non-function ${operandText(first)}`);
    if (first.kind === "nil") this.fail("nil is not a command");
    return this.operand(first, dot);
  }

  private operand(node: Operand, dot: unknown): unknown {
    this.where = node;
    const call = { args: [], last: none, dot };
    switch (node.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "constant":
        return node.value;
      case "field":
        return this.fields(dot, node, node.names, call);
      case "variable":
        return this.variable(node, call);
      case "chain":
        return this.fields(this.chainBase(node, dot), node, node.names, call);
      case "function":
        return this.function(node, node, call);
      case "pipe":
        return this.pipe(node, dot);
    }
  }

  private chainBase(node: Extract<Operand, { kind: "chain" }>, dot: unknown): unknown {
    this.where = node;
    if (node.of.kind === "nil") this.fail(`indirection through explicit nil in ${operandText(node)}`);
    return this.operand(node.of, dot);
  }

  private variable(node: Extract<Operand, { kind: "variable" }>, call: Call): unknown {
    this.where = node;
    const found = this.variables.findLast((variable) => variable.name === node.name);
    if (found === undefined) this.fail(`undefined variable: ${node.name}`);
    if (node.names.length > 0) return this.fields(found.value, node, node.names, call);
    if (call.args.length > 0 || call.last !== none) this.fail(`can't give argument to non-function ${node.name}`);
    return found.value;
  }

  private fields(receiver: unknown, node: Operand, names: readonly string[], call: Call): unknown {
    this.where = node;
    let value = receiver;
    let insideMap = false;
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const next = this.field(value, name, { node, insideMap, call: isLast ? call : undefined });
      insideMap = isMap(value);
      value = next;
    }
    return value;
  }

  private field(
    receiver: unknown,
    name: string,
    how: { node: Operand; insideMap: boolean; call: Call | undefined },
  ): unknown {
    const { node, insideMap, call } = how;
    const hasArguments = call !== undefined && (call.args.length > 0 || call.last !== none);
    if (receiver === undefined) {
      if (this.options.missingKey === "error") this.fail(`nil data; no entry for key ${quote(name)}`, node);
      return undefined;
    }
    const type = insideMap ? "interface {}" : typeName(receiver);
    if (receiver instanceof GoNil && receiver.kind === "map") return undefined;
    if (receiver === null || (receiver instanceof GoNil && receiver.kind === "pointer"))
      this.fail(`nil pointer evaluating ${receiver === null ? "interface {}" : type}.${name}`, node);
    if (receiver instanceof GoStruct) {
      const value = receiver.field(name);
      if (isMethod(value)) return this.method(name, value, node, call);
      if (value === undefined && !receiver.names.includes(name))
        this.fail(`can't evaluate field ${name} in type ${type}`, node);
      if (hasArguments) this.fail(`${name} has arguments but cannot be invoked as function`, node);
      return value;
    }
    if (isMap(receiver)) {
      if (hasArguments) this.fail(`${name} is not a method but has arguments`, node);
      const value = mapEntry(receiver, name);
      if (value === undefined && this.options.missingKey === "error")
        this.fail(`map has no entry for key ${quote(name)}`, node);
      return value;
    }
    this.fail(`can't evaluate field ${name} in type ${type}`, node);
  }

  /** A method of one of our structs; its parameters are strings. */
  private method(name: string, value: Method, node: Operand, call: Call | undefined): unknown {
    const args = (call?.args ?? []).map((word) => this.argument(word, "string", call?.dot));
    if (call !== undefined && call.last !== none) args.push(this.check(call.last, "string"));
    if (args.length !== value.length)
      this.fail(`wrong number of args for ${name}: want ${value.length} got ${args.length}`, node);
    return value(...args.map(String));
  }

  private function(node: Extract<Operand, { kind: "function" }>, whole: Located, call: Call): unknown {
    this.where = node;
    const { name } = node;
    const { args, last, dot } = call;
    const declared = Object.hasOwn(this.options.functions, name) ? this.options.functions[name] : undefined;
    if (declared === undefined) this.fail(`${quote(name)} is not a defined function`);
    const given = args.length + (last === none ? 0 : 1);
    const fixed = declared.variadic === true ? declared.parameters.length - 1 : declared.parameters.length;
    if (declared.variadic === true ? given < fixed : given !== fixed) {
      this.fail(
        `wrong number of args for ${name}: want ${declared.variadic === true ? "at least " : ""}${fixed} got ${given}`,
      );
    }
    if (name === "and" || name === "or") return this.shortCircuit(name, args, last, dot);
    const typeAt = (index: number): TemplateFunction["parameters"][number] =>
      declared.parameters[Math.min(index, declared.parameters.length - 1)] ?? "any";
    const values = args.map((word, index) => this.argument(word, typeAt(index), dot));
    if (last !== none) values.push(this.check(last, typeAt(values.length)));
    const [callee] = values;
    if (name === "call" && callee !== undefined && callee !== null && typeof callee !== "function") {
      const [word = whole] = args;
      this.fail(`error calling call: non-function ${operandText(word)} of type ${typeName(callee)}`, whole);
    }
    try {
      return declared.call(values);
    } catch (error) {
      if (error instanceof CallError) this.fail(`error calling ${name}: ${error.message}`, whole);
      throw error;
    }
  }

  private shortCircuit(name: "and" | "or", args: readonly Operand[], last: unknown, dot: unknown): unknown {
    let value: unknown = undefined;
    for (const word of args) {
      value = this.argument(word, "any", dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return last === none ? value : last;
  }

  /** One argument as a function's parameter wants it. */
  private argument(word: Operand, type: TemplateFunction["parameters"][number], dot: unknown): unknown {
    this.where = word;
    if (type !== "any" && word.kind === "nil") this.fail(`cannot assign nil to ${goType(type)}`);
    if (type !== "any" && word.kind === "constant" && typeof word.value !== (type === "int" ? "number" : "string")) {
      this.fail(
        type === "strings"
          ? `can't handle ${word.text} for arg of type []string`
          : `expected ${type === "int" ? "integer" : type}; found ${word.text}`,
      );
    }
    return this.check(this.operand(word, dot), type);
  }

  private check(value: unknown, type: TemplateFunction["parameters"][number]): unknown {
    if (type === "any") return value;
    if (value === undefined || value === null) {
      if (type === "strings") return [];
      this.fail(`invalid value; expected ${goType(type)}`);
    }
    if (type === "strings" && value instanceof GoNil && value.kind === "slice") return [];
    const fits =
      type === "string"
        ? typeof value === "string"
        : type === "int"
          ? Number.isInteger(value)
          : Array.isArray(value) && value.every((item) => typeof item === "string");
    // docker reads the JSON of its second attempt with numbers as text.
    const found = typeof value === "number" && this.options.missingKey === "error" ? "json.Number" : typeName(value);
    if (!fits) this.fail(`wrong type for value; expected ${goType(type)}; got ${found}`);
    return value;
  }
}

const goType = (type: TemplateFunction["parameters"][number]): string =>
  type === "strings" ? "[]string" : type === "any" ? "interface {}" : type;

interface Call {
  readonly args: readonly Operand[];
  /** The value that the stage before hands on, or `none`. */
  readonly last: unknown;
  /** What `.` is while the arguments are evaluated. */
  readonly dot: unknown;
}
