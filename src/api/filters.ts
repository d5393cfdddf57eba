import { EngineError } from "../base/errors.ts";

/** Filters of a request: values by key. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `filters`: `{"label":{"a=b":true}}` (Go) or `{"label":["a=b"]}` (docker-py, compose v1, dockerode). A key that
 * is not allowed is refused in Docker's words.
 */
export function readFilters(text: string | null | undefined, allowed: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  if (text === null || text === undefined || text === "") return filters;
  for (const [key, values] of Object.entries(parse(text))) {
    if (!allowed.includes(key)) throw new EngineError("invalid", `invalid filter '${key}'`, { filter: key });
    filters.set(key, valuesOf(key, values));
  }
  return filters;
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // not JSON: refused below, in Docker's words
  }
  throw new EngineError("invalid", "invalid filter");
}

function valuesOf(key: string, values: unknown): string[] {
  if (values === null) return [];
  if (typeof values === "string") return [values];
  if (Array.isArray(values)) return values.map((value) => String(value));
  if (typeof values === "object") return Object.entries(values).flatMap(([value, on]) => (on === false ? [] : [value]));
  throw new EngineError("invalid", `invalid filter '${key}'`, { filter: key });
}

/** No such filter, or one of its values passes. */
export function any(filters: Filters, key: string, pass: (value: string) => boolean): boolean {
  const values = filters.get(key);
  return values === undefined || values.length === 0 || values.some(pass);
}

/** `label=k` and `label=k=v` all have to match, `label!=...` none of them. */
export function labelsMatch(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const has = (wanted: string): boolean => {
    const sign = wanted.indexOf("=");
    const name = sign < 0 ? wanted : wanted.slice(0, sign);
    return Object.hasOwn(labels, name) && (sign < 0 || labels[name] === wanted.slice(sign + 1));
  };
  return (filters.get("label") ?? []).every(has) && !(filters.get("label!") ?? []).some(has);
}

/** A boolean filter: Docker refuses what is neither. Undefined when it is not given. */
export function flag(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key) ?? [];
  if (values.length === 0) return undefined;
  const yes = values.some((value) => ["1", "t", "true"].includes(value.toLowerCase()));
  const no = values.some((value) => ["0", "f", "false"].includes(value.toLowerCase()));
  if (yes === no) throw new EngineError("invalid", `invalid filter '${key}=[${values.join(" ")}]'`, { filter: key });
  return yes;
}

/**
 * Whether a name matches a filter's regular expression, anywhere in it. What does not compile, or could backtrack for
 * long (a repeated group, many repetitions), matches as plain text: RE2 has no such patterns' cost, JavaScript has.
 */
export function pattern(text: string): (name: string) => boolean {
  const repetitions = text.match(/[*+{?]/g)?.length ?? 0;
  if (repetitions > 3 || /\)[*+{?]/.test(text)) return (name) => name.includes(text);
  try {
    const expression = new RegExp(text);
    return (name) => name === text || expression.test(name);
  } catch {
    return (name) => name === text; // not a regular expression
  }
}
