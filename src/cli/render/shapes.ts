import { formatDuration } from "../values/duration.ts";
import { GoNil, GoStruct, GoText, isMap, withZero } from "./go-value.ts";
import { shapeTable } from "./shape-table.ts";
import { goTime } from "./units.ts";

interface Field {
  readonly goName: string;
  readonly jsonName: string;
  readonly kind: string;
}
type Shape = keyof typeof shapeTable;

const isShape = (name: string): name is Shape => Object.hasOwn(shapeTable, name);
const parsed = new Map<Shape, readonly Field[]>();

function fieldsOf(name: Shape): readonly Field[] {
  let fields = parsed.get(name);
  if (fields === undefined) {
    fields = shapeTable[name].split(" ").flatMap((text): Field[] => {
      const [, goName = "", jsonName = goName, kind = ""] = /^(\w+)(?:=(\w+))?(.*)$/.exec(text) ?? [];
      return goName === "" ? [] : [{ goName, jsonName, kind }];
    });
    parsed.set(name, fields);
  }
  return fields;
}

function toStruct(name: Shape, json: unknown): GoStruct {
  const map = isMap(json) ? json : {};
  const fields = fieldsOf(name);
  return new GoStruct(
    name,
    fields.map(({ goName }) => goName),
    (wanted) => {
      const field = fields.find(({ goName }) => goName === wanted);
      return field === undefined ? undefined : toGo(field.kind, map[field.jsonName]);
    },
    () => json,
  );
}

/** A JSON value as the Go value of this kind; null and absent give Go's zero value. */
function toGo(kind: string, json: unknown): unknown {
  const absent = json === undefined || json === null;
  const name = kind.slice(1);
  switch (kind[0]) {
    case undefined:
      return json ?? "";
    case "#":
      return json ?? 0;
    case "?":
      return json ?? false;
    case "^":
      return json ?? new GoNil("*interface {}");
    case "~":
      return json;
    case "%":
      return new GoText(formatDuration(typeof json === "number" ? json : 0), json);
    case "@":
      return new GoText(goTime(typeof json === "string" && json !== "" ? json : "0001-01-01T00:00:00Z"), json);
    case "*":
      return absent ? new GoNil(`*${name}`) : toStruct(isShape(name) ? name : "Empty", json);
    case ":":
      return toStruct(isShape(name) ? name : "Empty", json);
    case "[":
      return Array.isArray(json) ? json.map((item) => toGo(kind.slice(2), item)) : new GoNil("[]string", "slice");
    default: {
      if (!isMap(json)) return new GoNil("map[string]string", "map");
      const items = Object.entries(json).map(([key, item]): [string, unknown] => [key, toGo(kind.slice(2), item)]);
      return withZero(Object.fromEntries(items), toGo(kind.slice(2), undefined));
    }
  }
}

/** A container as docker's templates see it first. */
export const typedContainer = (json: unknown): GoStruct => toStruct("Container", json);
/** An image. */
export const typedImage = (json: unknown): GoStruct => toStruct("Image", json);
/** A network. */
export const typedNetwork = (json: unknown): GoStruct => toStruct("Network", json);
/** A volume. */
export const typedVolume = (json: unknown): GoStruct => toStruct("Volume", json);
