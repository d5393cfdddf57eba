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
  /** docker's rows of lists are written with `<`, `>` and `&` escaped, its inspected objects are not. */
  readonly escapesHtml: boolean;

  constructor(typeName: string, names: readonly string[], field: (name: string) => unknown, toJSON?: () => unknown) {
    this.escapesHtml = toJSON === undefined;
    this.typeName = typeName;
    this.names = names;
    this.field = field;
    this.toJSON = toJSON ?? (() => Object.fromEntries(names.map((name) => [name, field(name)])));
  }
}

/** A nil of a known type: false, empty to range and len. Of a nil pointer no field can be read. */
export class GoNil {
  readonly typeName: string;
  readonly kind: "pointer" | "slice" | "map";

  constructor(typeName: string, kind: "pointer" | "slice" | "map" = "pointer") {
    this.typeName = typeName;
    this.kind = kind;
  }

  toJSON(): null {
    return null;
  }
}

/** A Go value that prints by its own rule (time.Time, time.Duration) and is something else in JSON. */
export class GoText {
  readonly text: string;
  readonly json: unknown;

  constructor(text: string, json: unknown) {
    this.text = text;
    this.json = json;
  }

  toJSON(): unknown {
    return this.json;
  }
}

export type GoMap = Readonly<Record<string, unknown>>;

/** A JSON object that is not one of our own classes. */
export function isMap(value: unknown): value is GoMap {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(value instanceof GoStruct || value instanceof GoNil || value instanceof GoText);
}

const zero = Symbol("zero");

/** A map whose elements have a type: `index` of a missing key gives this. */
export function withZero<Map extends object>(map: Map, value: unknown): Map {
  return Object.defineProperty(map, zero, { value });
}

/** What `index` gives for a key that is not there. */
export function mapZero(map: GoMap): unknown {
  return (map as { [zero]?: unknown })[zero];
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
  if (value instanceof GoText) return "time.Time";
  if (Array.isArray(value))
    return value.length > 0 && value.every((item) => typeof item === "string") ? "[]string" : "[]interface {}";
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
  if (value instanceof GoStruct || value instanceof GoText || typeof value === "function") return true;
  if (typeof value === "object") return Object.keys(value).length > 0;
  return Boolean(value);
}

/** `len`, or undefined for what has none. */
export function goLength(value: unknown): number | undefined {
  if (typeof value === "string") return byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  if (value instanceof GoNil && value.kind !== "pointer") return 0;
  return undefined;
}

/** encoding/json without HTML escaping: what docker's `json` function prints. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value === undefined ? null : value, (_key, item: unknown) =>
    typeof item === "bigint" ? JSON.rawJSON(String(item)) : item,
  );
  // Go writes these two so that the text is also valid JavaScript of old.
  const plain = (text ?? "null").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  if (!(value instanceof GoStruct && value.escapesHtml)) return plain;
  return plain.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
