export interface TabOptions {
  /** Least width of a column, its padding included. */
  readonly minWidth: number;
  readonly padding: number;
}

interface Block {
  readonly lines: readonly (readonly string[])[];
  readonly options: TabOptions;
  readonly out: string[];
}

/**
 * Go's text/tabwriter with spaces: a column is a run of lines that have a tab-terminated cell there, and is as wide
 * as its widest cell plus padding. The text after the last tab of a line belongs to no column.
 */
export function alignTabs(text: string, options: TabOptions): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const out: string[] = [];
  format({ lines, options, out }, 0, { from: 0, to: lines.length, widths: [] });
  return out.join("\n");
}

/** Characters, as Go's utf8.RuneCount. */
const runes = (text: string): number => {
  let count = 0;
  for (const _char of text) count += 1;
  return count;
};

function format(block: Block, column: number, part: { from: number; to: number; widths: readonly number[] }): void {
  const { lines, options } = block;
  const hasCell = (index: number): boolean => column < (lines[index]?.length ?? 0) - 1;
  let done = part.from;
  for (let index = part.from; index < part.to; index += 1) {
    if (!hasCell(index)) continue;
    write(block, { from: done, to: index, widths: part.widths });
    let width = options.minWidth;
    const start = index;
    while (index < part.to && hasCell(index)) {
      width = Math.max(width, runes(lines[index]?.[column] ?? "") + options.padding);
      index += 1;
    }
    format(block, column + 1, { from: start, to: index, widths: [...part.widths, width] });
    done = index;
    index -= 1;
  }
  write(block, { from: done, to: part.to, widths: part.widths });
}

function write(block: Block, part: { from: number; to: number; widths: readonly number[] }): void {
  for (const cells of block.lines.slice(part.from, part.to)) {
    const padded = cells.map((cell, index) => {
      const width = part.widths[index];
      return width === undefined || index === cells.length - 1
        ? cell
        : cell + " ".repeat(Math.max(0, width - runes(cell)));
    });
    block.out.push(padded.join(""));
  }
}
