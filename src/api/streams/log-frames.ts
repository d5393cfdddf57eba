import type { LogRecord } from "../../logs/driver.ts";

export interface FrameOptions {
  readonly timestamps: boolean;
  readonly details: boolean;
  /** A TTY's log is one raw stream; otherwise each record has a frame of its own (engine-api.md 1.4). */
  readonly tty: boolean;
}

/** One piece for a whole batch of records: a write per batch, not per line. */
export function frameRecords(records: readonly LogRecord[], options: FrameOptions): Uint8Array {
  const prefixes =
    options.timestamps || options.details
      ? records.map((record) => Buffer.from(prefix(record, options), "utf8"))
      : undefined;
  const header = options.tty ? 0 : 8;
  let bytes = 0;
  for (let index = 0; index < records.length; index++)
    bytes += header + (prefixes?.[index]?.length ?? 0) + (records[index]?.line.length ?? 0);
  const out = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let index = 0; index < records.length; index++) {
    const record = records[index];
    if (!record) continue;
    const before = prefixes?.[index];
    const length = record.line.length + (before?.length ?? 0);
    if (header > 0) {
      out[at] = record.stream === "stderr" ? 2 : 1;
      out[at + 1] = 0;
      out[at + 2] = 0;
      out[at + 3] = 0;
      out[at + 4] = length >>> 24;
      out[at + 5] = (length >>> 16) & 255;
      out[at + 6] = (length >>> 8) & 255;
      out[at + 7] = length & 255;
      at += 8;
    }
    if (before) {
      out.set(before, at);
      at += before.length;
    }
    out.set(record.line, at);
    at += record.line.length;
  }
  return out;
}

function prefix(record: LogRecord, options: FrameOptions): string {
  const time = options.timestamps ? `${fixedRfc3339(record.timeNs)} ` : "";
  return options.details ? `${time}${detailsText(record.attributes)} ` : time;
}

/** `2026-11-21T04:42:08.338584351Z`: always nine digits, so that columns line up. */
function fixedRfc3339(timeNs: bigint): string {
  const seconds = timeNs / 1_000_000_000n;
  if (seconds !== lastSecond) {
    lastSecond = seconds;
    lastText = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  }
  return `${lastText}.${(timeNs % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}
let lastSecond = -1n;
let lastText = "";

/** `k=v,k2=v2`, sorted and escaped as in a URL's query. */
function detailsText(attributes: Readonly<Record<string, string>>): string {
  const escape = (text: string): string => encodeURIComponent(text).replaceAll("%20", "+");
  return Object.keys(attributes)
    .sort()
    .map((key) => `${escape(key)}=${escape(attributes[key] ?? "")}`)
    .join(",");
}
