import { GoStruct } from "../render/go-value.ts";

/** An object of ours as the Go struct docker shows there: unknown fields are errors that name the type. */
export function openStruct(
  typeName: string,
  fields: Readonly<Record<string, unknown>>,
  json: unknown = fields,
): GoStruct {
  const names = Object.keys(fields);
  return new GoStruct(
    typeName,
    names,
    (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
    () => json,
  );
}
