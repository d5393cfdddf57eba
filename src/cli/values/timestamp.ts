import { EngineError } from "../../base/errors.ts";
import { parseDuration } from "./duration.ts";

/**
 * Docker's `--since` and `--until`: a duration back from now (`5m`), RFC 3339 or a part of it in local time, or seconds
 * with optional nanoseconds. Gives `seconds.nanoseconds` as the API takes it.
 */
export function parseTimestamp(text: string, nowMs = Date.now()): string {
  // any plain number is seconds, a year too; only a bare 0 is the duration
  if (/^(?!0$)\d+(\.\d{1,9})?$/.test(text)) return text;
  const duration = durationNs(text);
  if (duration !== undefined) return fromNs(BigInt(nowMs) * 1_000_000n - BigInt(Math.round(duration)));
  const match =
    /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(
      text,
    );
  if (match === null)
    throw new EngineError("invalid", `failed to parse value as time or duration: ${JSON.stringify(text)}`, {
      value: text,
    });
  const [, year, month = "01", day = "01", hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match;
  // Without a zone the time is of this machine; JavaScript takes a bare date as UTC, so it is always given a clock.
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(ms))
    throw new EngineError("invalid", `failed to parse value as time or duration: ${JSON.stringify(text)}`, {
      value: text,
    });
  return `${Math.floor(ms / 1000)}.${fraction.padEnd(9, "0")}`;
}

function durationNs(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    // Not a duration: it may still be a time.
    return undefined;
  }
}

function fromNs(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, "0")}`;
}
