/** Nanoseconds since the epoch. The clock's own grain is a microsecond; two calls never give the same value. */
export function nowNs(): bigint {
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  last = now > last ? now : last + 1n;
  return last;
}
let last = 0n;

/** RFC 3339 with up to nine digits and no trailing zeros, as Go's RFC3339Nano; 0 is Go's zero time. */
export function rfc3339(timeNs: bigint): string {
  if (timeNs === 0n) return "0001-01-01T00:00:00Z";
  const seconds = new Date(Number(timeNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = (timeNs % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return fraction ? `${seconds}.${fraction}Z` : `${seconds}Z`;
}
