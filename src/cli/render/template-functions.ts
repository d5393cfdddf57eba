import { formatValue, sprint, sprintf, sprintln } from "./go-print.ts";
import { byteLength, byteSlice } from "./go-string.ts";
import { GoNil, GoStruct, goJson, goLength, isMap, isTrue, mapEntry, mapZero, typeName } from "./go-value.ts";

type Parameter = "any" | "string" | "int" | "strings";

export interface TemplateFunction {
  /** Types of the parameters; the last one repeats when `variadic`. */
  readonly parameters: readonly Parameter[];
  readonly variadic?: boolean;
  /** A thrown CallError becomes `error calling <name>: <message>`. */
  call(args: readonly unknown[]): unknown;
}

/** A failure inside a function of a template. */
export class CallError extends Error {}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const whole = (value: unknown): number => (typeof value === "number" ? value : 0);
/** What html, js and urlquery make of their arguments. */
const joined = (args: readonly unknown[]): string =>
  args.length === 1 && typeof args[0] === "string" ? args[0] : sprint(args);
const stringFunction = (call: (value: string) => string): TemplateFunction => ({
  parameters: ["string"],
  call: ([value]) => call(text(value)),
});
const printing = (call: (args: readonly unknown[]) => string): TemplateFunction => ({
  parameters: ["any"],
  variadic: true,
  call,
});

/** The functions of text/template and the ones docker adds, by name. */
export const templateFunctions: Readonly<Record<string, TemplateFunction>> = {
  // and, or and call are run by the executor: their arguments are not all evaluated.
  and: { parameters: ["any", "any"], variadic: true, call: (args) => args.at(-1) },
  or: { parameters: ["any", "any"], variadic: true, call: (args) => args.at(-1) },
  call: { parameters: ["any", "any"], variadic: true, call: callValue },
  not: { parameters: ["any"], call: ([value]) => !isTrue(value) },
  print: printing(sprint),
  println: printing(sprintln),
  printf: { parameters: ["string", "any"], variadic: true, call: ([format, ...args]) => sprintf(text(format), args) },
  html: printing((args) => escapeHtml(joined(args))),
  js: printing((args) => escapeJs(joined(args))),
  urlquery: printing((args) => escapeQuery(joined(args))),
  len: { parameters: ["any"], call: ([value]) => length(value) },
  index: { parameters: ["any", "any"], variadic: true, call: ([value, ...keys]) => keys.reduce(index, value) },
  slice: { parameters: ["any", "any"], variadic: true, call: ([value, ...bounds]) => slice(value, bounds) },
  eq: { parameters: ["any", "any"], variadic: true, call: ([first, ...rest]) => equalsAny(first, rest) },
  ne: { parameters: ["any", "any"], call: ([a, b]) => !equals(a, b) },
  lt: { parameters: ["any", "any"], call: ([a, b]) => less(a, b) },
  le: { parameters: ["any", "any"], call: ([a, b]) => less(a, b) || equals(a, b) },
  gt: { parameters: ["any", "any"], call: ([a, b]) => !(less(a, b) || equals(a, b)) },
  ge: { parameters: ["any", "any"], call: ([a, b]) => !less(a, b) },
  // docker/cli templates.basicFunctions
  json: { parameters: ["any"], call: ([value]) => goJson(value) },
  split: {
    parameters: ["string", "string"],
    call: ([value, separator]) => (separator === "" ? [...text(value)] : text(value).split(text(separator))),
  },
  join: {
    parameters: ["strings", "string"],
    call: ([list, separator]) => (Array.isArray(list) ? list.join(text(separator)) : ""),
  },
  title: stringFunction((value) => value.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase())),
  lower: stringFunction((value) => value.toLowerCase()),
  upper: stringFunction((value) => value.toUpperCase()),
  pad: {
    parameters: ["string", "int", "int"],
    call: ([value, before, after]) => pad(text(value), whole(before), whole(after)),
  },
  truncate: { parameters: ["string", "int"], call: ([value, limit]) => truncate(text(value), whole(limit)) },
};

/** In the header line of a table these leave the header as it is (docker/cli templates.HeaderFunctions). */
export const headerFunctions: Readonly<Record<string, TemplateFunction>> = {
  ...templateFunctions,
  json: { parameters: ["string"], call: ([value]) => value },
  title: { parameters: ["string"], call: ([value]) => value },
  lower: { parameters: ["string"], call: ([value]) => value },
  upper: { parameters: ["string"], call: ([value]) => value },
  truncate: { parameters: ["string", "int"], call: ([value]) => value },
};

function callValue([callee, ...args]: readonly unknown[]): unknown {
  if (typeof callee !== "function") throw new CallError("call of nil");
  return callee(...args) as unknown;
}

function length(value: unknown): number {
  if (value === undefined || value === null) throw new CallError("len of nil pointer");
  const found = goLength(value);
  if (found === undefined) throw new CallError(`len of type ${typeName(value)}`);
  return found;
}

function checkedIndex(key: unknown, limit: number, inclusive = false): number {
  if (key === undefined || key === null) throw new CallError("cannot index slice/array with nil");
  if (typeof key !== "number" || !Number.isInteger(key))
    throw new CallError(`cannot index slice/array with type ${typeName(key)}`);
  if (key < 0 || (inclusive ? key > limit : key >= limit)) throw new CallError(`index out of range: ${key}`);
  return key;
}

function index(value: unknown, key: unknown): unknown {
  if (value === undefined || value === null) throw new CallError("index of untyped nil");
  if (value instanceof GoNil && value.kind === "pointer") throw new CallError("index of nil pointer");
  if (value instanceof GoNil) return value.kind === "map" ? "" : checkedIndex(key, 0);
  if (Array.isArray(value)) return value[checkedIndex(key, value.length)] as unknown;
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return bytes[checkedIndex(key, bytes.length)];
  }
  if (isMap(value)) {
    if (key === undefined || key === null) throw new CallError("value is nil; should be of type string");
    if (typeof key !== "string") throw new CallError(`value has type ${typeName(key)}; should be string`);
    return Object.hasOwn(value, key) ? mapEntry(value, key) : mapZero(value);
  }
  throw new CallError(`can't index item of type ${typeName(value)}`);
}

function slice(value: unknown, bounds: readonly unknown[]): unknown {
  if (value === undefined || value === null) throw new CallError("slice of untyped nil");
  if (bounds.length > 3) throw new CallError(`too many slice indexes: ${bounds.length}`);
  if (typeof value === "string" && bounds.length === 3) throw new CallError("cannot 3-index slice a string");
  const size = typeof value === "string" ? byteLength(value) : Array.isArray(value) ? value.length : undefined;
  if (size === undefined) throw new CallError(`can't slice item of type ${typeName(value)}`);
  const [start = 0, end = size, limit = size] = bounds.map((bound) => checkedIndex(bound, size, true));
  if (start > end) throw new CallError(`invalid slice index: ${start} > ${end}`);
  if (end > limit) throw new CallError(`invalid slice index: ${end} > ${limit}`);
  return typeof value === "string"
    ? byteSlice(value, start, end)
    : Array.isArray(value)
      ? value.slice(start, end)
      : undefined;
}

type Basic = "bool" | "number" | "string";

function basicKind(value: unknown): Basic | undefined {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "number";
  return typeof value === "string" ? "string" : undefined;
}

function equals(a: unknown, b: unknown): boolean {
  const left = a ?? undefined;
  const right = b ?? undefined;
  if (left === undefined || right === undefined) return left === right;
  const kind = basicKind(left);
  if (kind === undefined || basicKind(right) === undefined) {
    if (left instanceof GoNil && right instanceof GoNil) return true;
    // Pointers in Go: equal when they are the same object.
    if (left instanceof GoStruct && right instanceof GoStruct) return left.toJSON() === right.toJSON();
    for (const value of [left, right])
      if (typeof value === "object" && !(value instanceof GoNil))
        throw new CallError(`non-comparable type ${formatValue(value)}: ${typeName(value)}`);
    throw new CallError("incompatible types for comparison");
  }
  if (kind !== basicKind(right)) throw new CallError("incompatible types for comparison");
  return left === right;
}

function equalsAny(first: unknown, rest: readonly unknown[]): boolean {
  if (rest.length === 0) throw new CallError("missing argument for comparison");
  return rest.some((other) => equals(first, other));
}

function less(a: unknown, b: unknown): boolean {
  const kind = basicKind(a);
  if (kind === undefined || basicKind(b) === undefined) throw new CallError("invalid type for comparison");
  if (kind !== basicKind(b)) throw new CallError("incompatible types for comparison");
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  throw new CallError("invalid type for comparison");
}

/** More than any terminal is wide; bounds what a template may ask for. */
const maxPadding = 1_000_000;

function pad(value: string, before: number, after: number): string {
  if (value === "") return value;
  if (before < 0 || after < 0) throw new CallError("strings: negative Repeat count");
  return " ".repeat(Math.min(before, maxPadding)) + value + " ".repeat(Math.min(after, maxPadding));
}

function truncate(value: string, limit: number): string {
  if (limit < 0) throw new CallError(`runtime error: slice bounds out of range [:${limit}]`);
  return byteLength(value) < limit ? value : byteSlice(value, 0, limit);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "\0": "\ufffd",
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
};
// oxlint-disable-next-line no-control-regex
const escapeHtml = (value: string): string => value.replace(/[\x00"'&<>]/g, (char) => htmlEscapes[char] ?? char);

function escapeJs(value: string): string {
  const named: Readonly<Record<string, string>> = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
  };
  // oxlint-disable-next-line no-control-regex
  return value.replace(
    /[\\'"<>&=\x00-\x1f\x7f]/g,
    (char) => named[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}

const escapeQuery = (value: string): string =>
  encodeURIComponent(value.toWellFormed())
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
