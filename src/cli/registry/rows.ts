import { alignTabs } from "../render/tabwriter.ts";

/** A table as docker's: columns by tabs, at least ten wide. */
export function rows(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const text = [header, ...lines].map((line) => line.join("\t")).join("\n");
  return `${alignTabs(text, { minWidth: 10, padding: 3 })}\n`;
}
