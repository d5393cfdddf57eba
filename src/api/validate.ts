import { EngineError } from "../base/errors.ts";
import type { OperationId, OperationTypes } from "../spec/engine/operations.gen.ts";
import { type BodySchema, bodySchemas, definitions } from "../spec/engine/schemas.gen.ts";

/**
 * Checks a JSON body as Go's decoder would: types must fit, null is allowed everywhere, unknown fields are ignored,
 * names match in any case. Nulls inside lists and maps become Go's zero value. The error names the field.
 */
export function validateBody<Id extends OperationId>(id: Id, value: unknown): OperationTypes[Id]["body"] {
  const schema = bodySchemas[id];
  if (schema !== undefined) check(value, schema, "");
  return value as OperationTypes[Id]["body"];
}

/** Go's strslice.StrSlice: these may be written as one string. */
const stringLists = new Set(["Cmd", "Entrypoint"]);

function check(value: unknown, schema: BodySchema, path: string): void {
  if (value === null || value === undefined) return;
  if (typeof schema === "string") {
    if (schema.startsWith("@")) check(value, definitions[schema.slice(1)] ?? "a", path);
    else if (!fits(value, schema)) throw wrong(path, names[schema] ?? "another value", value);
    return;
  }
  if (isList(schema)) {
    if (!Array.isArray(value)) throw wrong(path, "a list", value);
    checkList(value, schema[0], path);
    return;
  }
  if (!isObject(value)) throw wrong(path, "an object", value);
  const each = schema["*"];
  if (each !== undefined) checkMap(value, each, path);
  else checkFields(value, schema, path);
}

function checkList(list: unknown[], item: BodySchema, path: string): void {
  for (let index = 0; index < list.length; index++) {
    if (list[index] === null) list[index] = zero(item);
    else check(list[index], item, `${path}[${index}]`);
  }
}

function checkMap(map: Record<string, unknown>, each: BodySchema, path: string): void {
  for (const [name, value] of Object.entries(map)) {
    if (value === null) map[name] = zero(each);
    else check(value, each, join(path, name));
  }
}

function checkFields(
  object: Record<string, unknown>,
  schema: { readonly [name: string]: BodySchema },
  path: string,
): void {
  for (const name of Object.keys(object)) {
    const known = Object.hasOwn(schema, name) ? name : knownAs(schema, name);
    if (known === undefined) continue;
    if (known !== name) {
      // encoding/json takes a field in any case; the exact spelling wins
      if (!Object.hasOwn(object, known)) object[known] = object[name];
      delete object[name];
    }
    if (stringLists.has(known) && typeof object[known] === "string") object[known] = [object[known]];
    check(object[known], schema[known] ?? "a", join(path, known));
  }
}

function knownAs(schema: { readonly [name: string]: BodySchema }, name: string): string | undefined {
  const lower = name.toLowerCase();
  return Object.keys(schema).find((key) => key.toLowerCase() === lower);
}

const names: Readonly<Record<string, string>> = {
  s: "a string",
  i: "an integer",
  n: "a number",
  b: "a boolean",
  o: "an object",
};

function fits(value: unknown, kind: string): boolean {
  switch (kind) {
    case "s":
      return typeof value === "string";
    case "i":
      // Go's int64: clients could not read a larger one back
      return typeof value === "number" && Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
    case "n":
      return typeof value === "number";
    case "b":
      return typeof value === "boolean";
    case "o":
      return isObject(value);
    default:
      return true;
  }
}

function zero(schema: BodySchema): unknown {
  if (typeof schema !== "string") return isList(schema) ? [] : {};
  if (schema.startsWith("@")) return zero(definitions[schema.slice(1)] ?? "a");
  return { s: "", i: 0, n: 0, b: false, o: {} }[schema] ?? null;
}

const isList = (schema: BodySchema): schema is readonly [BodySchema] => Array.isArray(schema);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

function wrong(path: string, expected: string, value: unknown): EngineError {
  const got = Array.isArray(value)
    ? "a list"
    : value === null
      ? "null"
      : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`;
  return new EngineError("invalid", `invalid JSON: ${path || "body"} must be ${expected}, got ${got}`, { field: path });
}
