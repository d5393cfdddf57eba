import { EngineError } from "../base/errors.ts";

/**
 * A time of a query in nanoseconds: unix seconds with an optional fraction, RFC 3339, or a Go duration before now.
 * Empty and `0` are 0n, which means "not given".
 */
export function readTimestamp(name: string, text: string | null | undefined, nowNs: bigint): bigint {
  if (text === null || text === undefined || text === "" || text === "0") return 0n;
  const unix = /^(-?)(\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (unix) {
    const ns = BigInt(unix[2] ?? "0") * 1_000_000_000n + BigInt((unix[3] ?? "").padEnd(9, "0"));
    return unix[1] === "-" ? -ns : ns;
  }
  const ago = goDurationNs(text);
  if (ago !== undefined) return nowNs - ago;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const whole = Date.parse(text.replace(/\.\d+/, ""));
  if (Number.isNaN(whole))
    throw new EngineError(
      "invalid",
      `invalid value for ${JSON.stringify(name)}: failed to parse value as time or duration: ${JSON.stringify(text)}`,
    );
  return BigInt(whole) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

const units: Readonly<Record<string, number>> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };

function goDurationNs(text: string): bigint | undefined {
  if (!/^(\d+(\.\d*)?(h|m|s|ms|us|µs|ns))+$/.test(text)) return undefined;
  let ns = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d*)?)(h|ms|m|s|us|µs|ns)/g))
    ns += Number(amount) * (units[unit ?? "ns"] ?? 1);
  return BigInt(Math.round(ns));
}
