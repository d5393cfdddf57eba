import { type ConfigRow, configRows } from "./config-table.ts";

/** `berth daemon --help`. */
export function daemonHelp(): string {
  const rows = configRows
    .filter(([, { fileOnly, ignored }]) => fileOnly !== true && ignored === undefined)
    .map(([name, row]) => [usage(name, row), row] as const);
  const help = ["  -h, --help", { help: "Print this help and end" }] as const;
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  const lines = [...rows, help].map(
    ([left, row]) => `${left.padEnd(width)}${row.help}${"kind" in row ? shownDefault(row) : ""}`,
  );
  const ignored = configRows
    .filter(([, row]) => row.ignored !== undefined && row.fileOnly !== true)
    .map(([name]) => `--${name}`);
  return `Usage:  berth daemon [OPTIONS]\n\nRun the engine: the daemon that answers the API and keeps containers\n\nOptions:\n${lines.join("\n")}\n\nAccepted and without effect: ${ignored.join(", ")}\n`;
}

function usage(name: string, { short, kind }: ConfigRow<unknown>): string {
  return `  ${short === undefined ? "   " : `-${short},`} --${name}${kind.word === "" ? "" : ` ${kind.word}`}`;
}

/** The default as help and the reference show it; empty where it says nothing. */
export function shownDefault({ kind, default: initial }: ConfigRow<unknown>): string {
  if (initial === "" || initial === false || initial === undefined) return "";
  if (typeof initial === "object") return "";
  return ` (default ${kind.word === "string" ? JSON.stringify(initial) : String(initial)})`;
}
