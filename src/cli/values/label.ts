import { EngineError } from "../../base/errors.ts";

/** docker's check of one `--label`; throws its text. */
export function checkLabel(text: string): void {
  const key = (text.split("=")[0] ?? "").replace(/^[ \t\n\v\f\r\u0085\u00a0]+/, "");
  if (key === "") throw new EngineError("invalid", `invalid label '${text}': empty name`, { value: text });
  if (/[ \t\n\v\f\r\u0085\u00a0]/.test(key))
    throw new EngineError("invalid", `label '${key}' contains whitespaces`, { value: text });
}

/** `a=b` and `a` (empty value) to a map. The last one of a key wins. */
export function keyValueMap(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const equals = pair.indexOf("=");
      return equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

/** Labels of the command line, each checked. */
export function parseLabels(labels: readonly string[]): Record<string, string> {
  for (const label of labels) checkLabel(label);
  return keyValueMap(labels);
}

/** Labels in one cell of a table: `a=b,c=d`, sorted so that two runs print the same. */
export function labelText(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}
