const unitsNs: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Reads Go's durations (`1h30m`, `1.5s`, `0`) as nanoseconds; undefined for anything else. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = "", body = ""] = /^([+-]?)(.*)$/.exec(text) ?? [];
  if (body === "0") return 0;
  if (!/^(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let ns = 0;
  for (const [, count = "", unit = ""] of body.matchAll(/([0-9.]+)(ns|us|µs|μs|ms|s|m|h)/g))
    ns += Number(count) * (unitsNs[unit] ?? 0);
  return Math.round(sign === "-" ? -ns : ns);
}

/** Writes nanoseconds as Go's Duration.String(): `0s`, `500ms`, `1.5s`, `1m0s`, `1h0m0s`. */
export function formatGoDuration(ns: number): string {
  if (ns === 0) return "0s";
  if (ns < 0) return `-${formatGoDuration(-ns)}`;
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${ns / 1e3}µs`;
  if (ns < 1e9) return `${ns / 1e6}ms`;
  const hours = Math.floor(ns / 3600e9);
  const minutes = Math.floor((ns % 3600e9) / 60e9);
  const seconds = `${(ns % 60e9) / 1e9}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
