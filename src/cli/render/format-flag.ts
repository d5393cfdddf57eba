import type { FlagRow } from "../command.ts";

/** `--format` of lists. */
export const listFormat = {
  type: "string",
  help: "Format of the output: 'table' (default), 'table TEMPLATE', 'json', or 'TEMPLATE' (a Go template for each row)",
} as const satisfies FlagRow;

/** `-f, --format` of commands that show one thing. */
export const objectFormat = {
  type: "string",
  short: "f",
  help: "Format of the output: 'json', or 'TEMPLATE' (a Go template)",
} as const satisfies FlagRow;

/** `-f, --filter` of lists. */
export const filterFlag = {
  type: "list",
  short: "f",
  valueName: "filter",
  help: "Filter output based on conditions provided",
} as const satisfies FlagRow;
