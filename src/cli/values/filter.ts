import { EngineError } from "../../base/errors.ts";

/** docker's check of one `--filter`; throws its text. */
export function checkFilter(text: string): void {
  if (text !== "" && !text.includes("="))
    throw new EngineError("invalid", "bad format of filter (expected name=value)", { value: text });
}

/** `--filter name=value ...` as the `filters` of the API, or undefined without any. */
export function parseFilters(
  filters: readonly string[],
  more: Readonly<Record<string, readonly string[]>> = {},
): string | undefined {
  const map = new Map<string, Record<string, true>>();
  const add = (name: string, value: string): void => {
    const values = map.get(name) ?? (Object.create(null) as Record<string, true>);
    values[value] = true;
    map.set(name, values);
  };
  for (const filter of filters) {
    checkFilter(filter);
    const equals = filter.indexOf("=");
    if (equals >= 0) add(filter.slice(0, equals).trim().toLowerCase(), filter.slice(equals + 1).trim());
  }
  for (const [name, values] of Object.entries(more)) for (const value of values) add(name, value);
  return map.size === 0 ? undefined : JSON.stringify(Object.fromEntries(map));
}
