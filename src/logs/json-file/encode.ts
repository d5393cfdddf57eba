import type { LogStream } from "../driver.ts";
import type { Piece } from "../line-splitter.ts";

/**
 * Docker's json-file lines of one piece. One JSON.stringify for all its lines: as long as the text has no backslash
 * of its own, every `\n` in the result is a line's end.
 */
export function encodeJsonLines(piece: Piece, stream: LogStream, time: string, attributes: string): string {
  const tail = `","stream":"${stream}"${attributes},"time":"${time}"}\n`;
  const text = piece.bytes.toString("utf8");
  if (piece.partial) return `{"log":"${JSON.stringify(text).slice(1, -1)}${tail}`;
  const json = JSON.stringify(text);
  if (!text.includes("\\")) {
    const lines = `{"log":${json.slice(0, -3)}`; // without the last \n and the quote
    return lines.replaceAll("\\n", `\\n${tail}{"log":"`) + `\\n${tail}`;
  }
  let lines = "";
  for (const line of text.slice(0, -1).split("\n")) lines += `{"log":"${JSON.stringify(line).slice(1, -1)}\\n${tail}`;
  return lines;
}

/** `,"attrs":{...}` or nothing. */
export function encodeAttributes(attributes: Readonly<Record<string, string>>): string {
  return Object.keys(attributes).length === 0 ? "" : `,"attrs":${JSON.stringify(attributes)}`;
}

/** RFC3339Nano with all nine digits: lines then end in the same number of bytes, which the reader makes use of. */
export function fixedTime(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${(timeNs % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}
