import { EngineError } from "../../base/errors.ts";
import { quote } from "../render/go-string.ts";

const unitsNs: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's time.ParseDuration in nanoseconds: `1h30m`, `-1.5s`, `300ms`. */
export function parseDuration(text: string): number {
  const invalid = (message: string): EngineError =>
    new EngineError("invalid", `time: ${message} ${quote(text)}`, { value: text });
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (body === "") throw invalid("invalid duration");
  const part = /([0-9]*)(\.[0-9]*)?([^0-9.]*)/y;
  let totalNs = 0;
  while (part.lastIndex < body.length) {
    const [, whole = "", fraction = "", unit = ""] = part.exec(body) ?? [];
    if (whole === "" && fraction.length <= 1) throw invalid("invalid duration");
    if (unit === "") throw invalid("missing unit in duration");
    const unitNs = Object.hasOwn(unitsNs, unit) ? unitsNs[unit] : undefined;
    if (unitNs === undefined) throw invalid(`unknown unit ${quote(unit)} in duration`);
    // Rounding: 0.1 has no exact double, and a nanosecond is the least there is.
    totalNs += Number(whole) * unitNs + Math.round(Number(`0${fraction}`) * unitNs);
  }
  // int64 of nanoseconds: about 292 years.
  if (totalNs > 2 ** 63) throw invalid("invalid duration");
  return sign * totalNs || 0;
}

/** A duration as Go prints it: `1h0m5s`, `1.5s`, `300ms`. */
export function formatDuration(durationNs: number): string {
  if (durationNs === 0) return "0s";
  const sign = durationNs < 0 ? "-" : "";
  const ns = Math.abs(durationNs);
  if (ns < 1e3) return `${sign}${ns}ns`;
  if (ns < 1e6) return `${sign}${ns / 1e3}µs`;
  if (ns < 1e9) return `${sign}${ns / 1e6}ms`;
  const hours = Math.trunc(ns / 3600e9);
  const minutes = Math.trunc(ns / 60e9) % 60;
  const seconds = `${Math.trunc(ns / 1e9) % 60}${fractionOf(ns)}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

function fractionOf(ns: number): string {
  const rest = ns % 1e9;
  return rest === 0 ? "" : `.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
}
