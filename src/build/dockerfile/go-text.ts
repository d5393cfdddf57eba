import { formatGoDuration } from "../../base/go-duration.ts";
import type { Healthcheck } from "./instructions.ts";

// Texts of histories are Go's print verbs over Go's structures: tools compare them.

const named: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

/** Go's %q of a string. */
export function goQuote(text: string): string {
  return `"${[...text].map((char) => (char === '"' ? '\\"' : goChar(char))).join("")}"`;
}

function goChar(char: string): string {
  const known = named[char];
  if (known !== undefined) return known;
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x7f || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) return char;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** Go's %q of a list of strings: `["a" "b"]`. */
export const goQuoteList = (list: readonly string[]): string => `[${list.map(goQuote).join(" ")}]`;

/** Go's %v of a list of strings: `[a b]`. */
export const goList = (list: readonly string[]): string => `[${list.join(" ")}]`;

/** Go's %q of container.HealthConfig, as BuildKit writes it. */
export function goQuoteHealth(health: Healthcheck): string {
  const durations = [health.intervalNs, health.timeoutNs, health.startPeriodNs, health.startIntervalNs].map((ns) =>
    goQuote(formatGoDuration(ns)),
  );
  const rune = String.fromCodePoint(health.retries);
  return `&{${goQuoteList(health.test)} ${durations.join(" ")} '${rune === "'" ? "\\'" : goChar(rune)}'}`;
}

/** Go's %v of it, as the classic builder writes it. */
export function goHealth(health: Healthcheck): string {
  const durations = [health.intervalNs, health.timeoutNs, health.startPeriodNs, health.startIntervalNs];
  return `&{${goList(health.test)} ${durations.map(formatGoDuration).join(" ")} ${health.retries}}`;
}
