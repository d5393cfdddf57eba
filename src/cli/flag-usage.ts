import type { FlagRow, FlagTable } from "./command.ts";

/** The options block of help, in pflag's layout: names, one column of words, wrapped to the width. */
export function flagUsages(flags: FlagTable, width: number): string {
  const rows: { head: string; text: string }[] = [];
  let longest = 0;
  for (const name of Object.keys(flags).sort()) {
    const row = flags[name];
    if (row === undefined || row.hidden === true || row.deprecated !== undefined) continue;
    const value = valueWord(row);
    const head = `${row.short === undefined ? "      " : `  -${row.short}, `}--${name}${value === "" ? "" : ` ${value}`}`;
    longest = Math.max(longest, head.length);
    rows.push({ head, text: row.help + defaultWord(row) });
  }
  // two characters between the columns, and pflag counts a marker character for the column itself
  const column = longest + 3;
  return rows.map(({ head, text }) => `${head.padEnd(column)}${wrap(text, column, width)}\n`).join("");
}

function valueWord(row: FlagRow): string {
  if (row.valueName !== undefined) return row.valueName;
  switch (row.type) {
    case "bool":
      return "";
    case "stringArray":
      return "stringArray";
    default:
      return row.type;
  }
}

function defaultWord(row: FlagRow): string {
  if (row.defaultText !== undefined) return row.defaultText === "" ? "" : ` (default ${row.defaultText})`;
  const value = row.default;
  if (value === undefined || value === "" || value === false || value === 0) return "";
  return ` (default ${typeof value === "string" && row.type === "string" ? JSON.stringify(value) : String(value)})`;
}

/** pflag's wrap: break at a blank, or up to `slop` characters later where only a short word is left. */
function wrap(text: string, indent: number, width: number): string {
  const gap = `\n${" ".repeat(indent)}`;
  if (width === 0) return text.replaceAll("\n", gap);
  let room = width - indent;
  // too narrow for a column: pflag puts the words under the flag with 16 blanks
  const hanging = room < 24;
  const left = hanging ? 16 : indent;
  if (hanging) room = width - left;
  if (room < 24) return text.replaceAll("\n", `\n${" ".repeat(left)}`);
  const slop = 5;
  const broken = `\n${" ".repeat(left)}`;
  const lines: string[] = [];
  let rest = text;
  for (room -= slop; rest !== "";) {
    const [line, after] = cut(room, slop, rest);
    lines.push(line.replaceAll("\n", broken));
    rest = after;
  }
  return (hanging ? broken : "") + lines.join(broken);
}

function cut(width: number, slop: number, text: string): [line: string, rest: string] {
  if (width + slop > text.length) return [text, ""];
  const blank = lastBlank(text.slice(0, width));
  if (blank <= 0) return [text, ""];
  const newline = text.slice(0, blank).lastIndexOf("\n");
  const at = newline > 0 && newline < blank ? newline : blank;
  return [text.slice(0, at), text.slice(at + 1)];
}

const lastBlank = (text: string): number =>
  Math.max(text.lastIndexOf(" "), text.lastIndexOf("\t"), text.lastIndexOf("\n"));
