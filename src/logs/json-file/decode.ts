import { read } from "node:fs";
import { promisify } from "node:util";
import { noAttributes, type RecordFormat, type RecordSink } from "../format.ts";

const readAt = promisify(read) as (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>;

const newline = 0x0a;
const backslash = 0x5c;
/** `{"log":"`: as long as the frame header that replaces it. */
const headBytes = 8;
/** `","stream":"stdout","time":"2006-01-02T15:04:05.000000000Z"}` as our writer makes it. */
const tailBytes = 60;

/** Docker's json-file lines. */
export const jsonLines: RecordFormat = {
  decode(bytes, sink) {
    let start = 0;
    let last = "";
    let timeNs = 0n;
    let stream: "stdout" | "stderr" = "stdout";
    for (;;) {
      const end = bytes.indexOf(newline, start);
      if (end === -1) return start;
      const textEnd = end - tailBytes;
      const text = start + headBytes;
      if (textEnd >= text) {
        const tail = bytes.toString("latin1", textEnd, end);
        if (tail !== last) {
          const parsed = parseTail(tail);
          if (parsed) {
            last = tail;
            ({ timeNs, stream } = parsed);
          }
        }
        // the text runs to the tail exactly when nothing in it is escaped, but for the newline at its end
        if (
          tail === last &&
          bytes[start + 1] === 0x22 &&
          bytes[start + 2] === 0x6c &&
          plainText(bytes, text, textEnd)
        ) {
          const whole = bytes[textEnd - 2] === backslash;
          if (whole) bytes[textEnd - 2] = newline;
          sink.take(stream, timeNs, bytes, text, whole ? textEnd - 1 : textEnd, noAttributes);
          start = end + 1;
          continue;
        }
      }
      decodeAny(bytes.toString("utf8", start, end), sink);
      start = end + 1;
    }
  },

  firstStart(block) {
    const previous = block.lastIndexOf(newline, block.length - 2);
    if (previous === -1) return -1;
    return block.indexOf(newline) + 1;
  },

  async wholeSize(fd, size) {
    const block = Buffer.allocUnsafe(64 * 1024);
    for (let end = size; end > 0;) {
      const from = Math.max(0, end - block.length);
      const { bytesRead } = await readAt(fd, block, 0, end - from, from);
      const at = block.subarray(0, bytesRead).lastIndexOf(newline);
      if (at !== -1) return from + at + 1;
      end = from;
    }
    return 0;
  },

  recordEnd(batch, at) {
    const end = batch.indexOf(newline, at);
    return end === -1 ? batch.length : end + 1;
  },
};

/** No escape in the text, or only the `\n` that ends it. */
function plainText(bytes: Buffer, from: number, end: number): boolean {
  const at = bytes.indexOf(backslash, from);
  return at === -1 || at >= end || (at === end - 2 && bytes[at + 1] === 0x6e);
}

function parseTail(tail: string): { stream: "stdout" | "stderr"; timeNs: bigint } | undefined {
  const match = /^","stream":"(stdout|stderr)","time":"([^"]{29}Z)"}$/.exec(tail);
  const timeNs = match?.[2] === undefined ? undefined : parseTime(match[2]);
  return timeNs === undefined ? undefined : { stream: match?.[1] === "stderr" ? "stderr" : "stdout", timeNs };
}

/** RFC 3339 with any number of digits and any zone, as other writers of this format leave it. */
function parseTime(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1]}${match[3]}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

/** A line with escapes, attributes or another writer's spacing. */
function decodeAny(line: string, sink: RecordSink): void {
  let record: { log?: unknown; stream?: unknown; time?: unknown; attrs?: unknown };
  try {
    record = JSON.parse(line) as typeof record;
  } catch {
    return; // torn by a crash, or not ours
  }
  if (typeof record !== "object" || record === null || typeof record.log !== "string") return;
  const timeNs = typeof record.time === "string" ? parseTime(record.time) : undefined;
  const length = Buffer.byteLength(record.log);
  const bytes = Buffer.allocUnsafe(headBytes + length);
  bytes.write(record.log, headBytes);
  const attributes =
    typeof record.attrs === "object" && record.attrs !== null ? (record.attrs as Record<string, string>) : noAttributes;
  sink.take(record.stream === "stderr" ? "stderr" : "stdout", timeNs ?? 0n, bytes, headBytes, bytes.length, attributes);
}
