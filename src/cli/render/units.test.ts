import { expect, test } from "bun:test";
import {
  ansiTime,
  bytesSize,
  ellipsis,
  fixedNanoTime,
  goTime,
  humanDuration,
  humanSize,
  shortId,
  timeAgo,
} from "./units.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

test("humanDuration() speaks as go-units does", () => {
  const cases: [number, string][] = [
    [999, "Less than a second"],
    [second, "1 second"],
    [59 * second, "59 seconds"],
    [minute, "About a minute"],
    [2 * minute - 1, "About a minute"],
    [2 * minute, "2 minutes"],
    [59 * minute, "59 minutes"],
    [hour, "About an hour"],
    [89 * minute, "About an hour"],
    [91 * minute, "2 hours"],
    [47 * hour, "47 hours"],
    [2 * day, "2 days"],
    [13 * day, "13 days"],
    [14 * day, "2 weeks"],
    [59 * day, "8 weeks"],
    [60 * day, "2 months"],
    [729 * day, "24 months"],
    [730 * day, "2 years"],
  ];
  for (const [ms, text] of cases) expect({ ms, text: humanDuration(ms) }).toEqual({ ms, text });
  expect(timeAgo(1000, 1000 + 5 * minute)).toBe("5 minutes ago");
});

test("humanSize() and bytesSize() have four digits, lists three", () => {
  expect([0, 1, 999, 1000, 1024, 1_985_774, 167_000_000, 1e12, 1.5e24].map((size) => humanSize(size))).toEqual([
    "0B",
    "1B",
    "999B",
    "1kB",
    "1.024kB",
    "1.986MB",
    "167MB",
    "1TB",
    "1.5YB",
  ]);
  expect([1_985_774, 999_999, 12_345_678].map((size) => humanSize(size, 3))).toEqual(["1.99MB", "1e+03kB", "12.3MB"]);
  expect([1024, 25_276_510_208, 6 * 1024 * 1024].map(bytesSize)).toEqual(["1KiB", "23.54GiB", "6MiB"]);
});

test("ellipsis() counts characters and keeps the mark within the limit", () => {
  expect(ellipsis("hello world", 8)).toBe("hello w…");
  expect(ellipsis("hello", 5)).toBe("hello");
  expect(ellipsis("日本語テキスト", 3)).toBe("日本…");
  expect(ellipsis("hello", 1)).toBe("h");
  expect(ellipsis("hello", 0)).toBe("");
});

test("shortId() cuts to twelve without the algorithm", () => {
  expect(shortId("sha256:49d79c1acdfdf5717a0e6b062232538724fe6e6ec668d0bd15904b10ff075d95")).toBe("49d79c1acdfd");
  expect(shortId("49d79c1acdfdf571")).toBe("49d79c1acdfd");
});

test("times print as Go prints them", () => {
  expect(goTime("2026-11-21T06:18:37.101747116Z")).toBe("2026-11-21 06:18:37.101747116 +0000 UTC");
  expect(goTime("2026-11-21T06:18:37.100Z")).toBe("2026-11-21 06:18:37.1 +0000 UTC");
  expect(goTime("2026-11-21T06:18:37+02:00")).toBe("2026-11-21 06:18:37 +0200 +0200");
  expect(goTime("no time")).toBe("no time");
  expect(ansiTime("2026-05-07T21:09:36.000000000+00:00")).toBe("Thu May  7 21:09:36 2026");
  expect(ansiTime("Fri May 30 12:07:14 2025")).toBe("Fri May 30 12:07:14 2025");
  expect(fixedNanoTime(1_795_243_767_854_936_509n)).toMatch(/^2026-11-2\dT\d\d:49:27\.854936509(Z|[+-]\d\d:\d\d)$/);
});
