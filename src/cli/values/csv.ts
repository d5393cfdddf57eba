import { EngineError } from "../../base/errors.ts";

/** One line of encoding/csv: fields by commas, a quoted field may hold commas and doubled quotes. */
export function parseCsvLine(text: string): string[] {
  const invalid = (message: string): EngineError => new EngineError("invalid", message, { value: text });
  if (text === "") throw invalid("EOF");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const field = text.slice(at, comma < 0 ? undefined : comma);
      const stray = field.indexOf('"');
      if (stray >= 0) throw invalid(`parse error on line 1, column ${at + stray + 1}: bare " in non-quoted-field`);
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    const quoted = /"((?:[^"]|"")*)"/y;
    quoted.lastIndex = at;
    const match = quoted.exec(text);
    if (match === null)
      throw invalid(`parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`);
    fields.push((match[1] ?? "").replaceAll('""', '"'));
    at = quoted.lastIndex;
    if (at >= text.length) return fields;
    if (text[at] !== ",") throw invalid(`parse error on line 1, column ${at}: extraneous or missing " in quoted-field`);
    at += 1;
  }
}

/** pflag's "strings": each value of the flag may hold several, by commas. */
export function splitCommas(values: readonly string[]): string[] {
  return values.flatMap((value) => (value === "" ? [] : parseCsvLine(value)));
}
