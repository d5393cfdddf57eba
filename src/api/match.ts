import { type OperationId, operations } from "../spec/engine/operations.gen.ts";

interface Pattern {
  readonly id: OperationId;
  readonly parameter: string;
  readonly prefix: string;
  readonly suffix: string;
}

export interface Match {
  readonly id: OperationId;
  readonly params: Readonly<Record<string, string>>;
}

const exact = new Map<string, OperationId>();
const patterns = new Map<string, Pattern[]>();
for (const id of Object.keys(operations) as OperationId[]) {
  const { method, path } = operations[id];
  const parameter = /\{(\w+)\}/.exec(path);
  if (!parameter) {
    exact.set(`${method} ${path}`, id);
    continue;
  }
  const prefix = path.slice(0, parameter.index);
  const bucket = `${method} ${prefix}`;
  const rows = patterns.get(bucket) ?? [];
  rows.push({ id, parameter: parameter[1] ?? "", prefix, suffix: path.slice(parameter.index + parameter[0].length) });
  // The longest suffix first: .../attach/ws before .../attach, and the bare name last.
  rows.sort((a, b) => b.suffix.length - a.suffix.length);
  patterns.set(bucket, rows);
}

/**
 * Finds the operation of a path without its version prefix. A parameter may hold `/` and `:`, plain or escaped:
 * image names are written into paths as they are (engine-api.md 0.11), so the end of the path decides.
 */
export function match(method: string, path: string): Match | undefined {
  const whole =
    exact.get(`${method} ${path}`) ?? (path.endsWith("/") ? exact.get(`${method} ${path.slice(0, -1)}`) : undefined);
  if (whole) return { id: whole, params: {} };
  const slash = path.indexOf("/", path.startsWith("/berth/") ? 7 : 1);
  if (slash < 0) return undefined;
  for (const row of patterns.get(`${method} ${path.slice(0, slash + 1)}`) ?? []) {
    if (!path.endsWith(row.suffix) || path.length <= row.prefix.length + row.suffix.length) continue;
    const value = unescape(path.slice(row.prefix.length, path.length - row.suffix.length));
    return value === undefined ? undefined : { id: row.id, params: { [row.parameter]: value } };
  }
  return undefined;
}

function unescape(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // malformed percent escapes: no such page
  }
}
