import { byteLength } from "./go-string.ts";

/**
 * A value that Go would hold in a struct: it has a type name for error texts, its fields in order, and methods
 * (functions). Everything else a template sees is plain JSON: objects are Go maps, arrays are slices, null is a nil
 * interface and undefined is the "no value" of text/template.
 */
export class GoStruct {
  readonly typeName: string;
  /** Looked up by name; a function is a method. */
  readonly field: (name: string) => unknown;
  /** In Go's order, for printing. */
  readonly names: readonly string[];
  /** What `json` writes. */
  readonly toJSON: () => unknown;

  constructor(typeName: string, names: readonly string[], field: (name: string) => unknown, toJSON?: () => unknown) {
    this.typeName = typeName;
    this.names = names;
    this.field = field;
    this.toJSON = toJSON ?? (() => Object.fromEntries(names.map((name) => [name, field(name)])));
  }
}

/** A nil pointer of a known type: false, prints `<nil>`, and no field of it can be read. */
export class GoNil {
  readonly typeName: string;

  constructor(typeName: string) {
    this.typeName = typeName;
  }

  toJSON(): null {
    return null;
  }
}

export type GoMap = Readonly<Record<string, unknown>>;

/** A JSON object that is not one of our own classes. */
export function isMap(value: unknown): value is GoMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof GoStruct) && !(value instanceof GoNil);
}

/** Own keys only, so that `.constructor` is not found. */
export function mapEntry(map: GoMap, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Go's sorted order: by bytes. */
export function sortedKeys(map: GoMap): string[] {
  return Object.keys(map).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** reflect's name of the type. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (value instanceof GoStruct || value instanceof GoNil) return value.typeName;
  if (Array.isArray(value)) return value.length > 0 && value.every((item) => typeof item === "string") ? "[]string" : "[]interface {}";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "function") return "func()";
  return "map[string]interface {}";
}

/** text/template's truth: empty is false, a struct is always true. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value instanceof GoNil) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof GoStruct || typeof value === "function") return true;
  if (typeof value === "object") return Object.keys(value).length > 0;
  return Boolean(value);
}

/** `len`, or undefined for what has none. */
export function goLength(value: unknown): number | undefined {
  if (typeof value === "string") return byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  return undefined;
}

/** encoding/json without HTML escaping: what docker's `json` function prints. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value === undefined ? null : value, (_key, item: unknown) => (typeof item === "bigint" ? Number(item) : item));
  // Go writes these two so that the text is also valid JavaScript of old.
  return (text ?? "null").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
