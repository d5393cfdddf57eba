import { expect, test } from "bun:test";
import { readTimestamp } from "./timestamp.ts";

test("times come as unix seconds, RFC 3339 or durations, to the nanosecond", () => {
  const now = 1_000_000_000_000_000_000n;
  const read = (text: string | null): bigint => readTimestamp("since", text, now);
  expect(read(null)).toBe(0n);
  expect(read("")).toBe(0n);
  expect(read("0")).toBe(0n);
  expect(read("1700000000")).toBe(1_700_000_000_000_000_000n);
  expect(read("1700000000.000000001")).toBe(1_700_000_000_000_000_001n);
  expect(read("1700000000.5")).toBe(1_700_000_000_500_000_000n);
  expect(read("2026-11-21T04:51:13.228832051Z")).toBe(1_795_236_673_228_832_051n);
  expect(read("1h30m")).toBe(now - 5_400_000_000_000n);
  expect(read("1.5s")).toBe(now - 1_500_000_000n);
  expect(() => read("yesterday")).toThrow('invalid value for "since"');
});
