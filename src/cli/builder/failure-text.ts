import type { SolveLine } from "./solve-stream.ts";

/** Lines of the Dockerfile shown around the one that failed. */
const around = 2;

/** What people see of a build that failed: the end of the step's output, its place in the file, the error. */
export function explainFailure(
  error: NonNullable<SolveLine["error"]>,
  shown: { dockerfile: string; logs: ReadonlyMap<string, string> },
): string {
  const { line = 0, file = "Dockerfile", vertex = "" } = error.detail ?? {};
  const log = shown.logs.get(vertex)?.trimEnd() ?? "";
  const parts: string[] = [];
  if (log !== "") parts.push(`------\n > ${vertex}:\n${log.split("\n").slice(-20).join("\n")}\n------`);
  const rows = shown.dockerfile.split("\n");
  if (line > 0 && line <= rows.length && shown.dockerfile !== "") {
    const first = Math.max(1, line - around);
    const excerpt = rows
      .slice(first - 1, line + around)
      .map((row, index) => `${String(first + index).padStart(4)} | ${first + index === line ? ">>>" : "   "} ${row}`);
    parts.push(`${file}:${line}\n--------------------\n${excerpt.join("\n")}\n--------------------`);
  }
  return [...parts, `failed to solve: ${error.message}`].join("\n");
}

/** What the checks found, under a build's progress. */
export function warningLines(warnings: NonNullable<SolveLine["warnings"]>): string {
  if (warnings.length === 0) return "";
  const rows = warnings.map(({ short, url }) => {
    const text = Buffer.from(short, "base64").toString("utf8");
    return ` - ${text}${url === "" ? "" : `\n   ${url}`}`;
  });
  return `\n ${warnings.length} warning${warnings.length === 1 ? "" : "s"} found:\n${rows.join("\n")}\n`;
}
