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
