import { EngineError } from "../base/errors.ts";
import { type OperationId, operations, type OperationTypes, type QueryKind } from "../spec/engine/operations.gen.ts";

/** httputils.BoolValue: empty, 0, no, false and none are false in any case, everything else is true. */
export function truthy(value: string | null | undefined): boolean {
  if (value === null || value === undefined) return false;
  return !["", "0", "no", "false", "none"].includes(value.trim().toLowerCase());
}

/** The parameters of an operation, typed. Unknown ones are left out; the raw ones stay reachable. */
export function readQuery<Id extends OperationId>(id: Id, search: URLSearchParams): OperationTypes[Id]["query"] {
  const query: Record<string, unknown> = {};
  const kinds: Readonly<Record<string, QueryKind>> = operations[id].query;
  for (const [name, kind] of Object.entries(kinds)) {
    const value = search.get(name);
    if (value === null) continue;
    if (kind === "list") query[name] = search.getAll(name);
    else if (kind === "boolean") query[name] = truthy(value);
    else if (kind === "integer") query[name] = integer(name, value);
    else query[name] = value;
  }
  return query as OperationTypes[Id]["query"];
}

/** A whole number. Empty is absent. Fractions pass: `since=1700000000.000000001` is read again by its route. */
function integer(name: string, value: string): number | undefined {
  if (value === "") return undefined;
  if (!/^[+-]?\d+(\.\d*)?$/.test(value))
    throw new EngineError(
      "invalid",
      `invalid value for ${name}: strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`,
      { field: name },
    );
  return Number(value);
}
