import { parseDuration } from "../values/duration.ts";

/**
 * A time of --since and --until as the API takes it, seconds and nanoseconds: `42m` ago, Unix seconds, or a date with
 * any of its later parts left out (in local time where no zone is given).
 */
export function goTimestamp(text: string, nowMs: number): string {
  const ago = durationNs(text);
  if (ago !== undefined) return seconds(BigInt(Math.round(nowMs * 1e6)) - BigInt(ago));
  if (/^-?\d+(\.\d+)?$/.test(text)) return text;
  const match = /^(\d{4})-(\d\d?)(?:-(\d\d?))?(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (match === null) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [, year = "", month = "", day = "01", hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match;
  const whole = Date.parse(`${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(whole)) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return seconds(BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(9, "0")));
}

function durationNs(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    // not a duration: a date is tried next
    return undefined;
  }
}

const seconds = (ns: bigint): string => `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}`;
