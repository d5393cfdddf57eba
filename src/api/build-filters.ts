import { EngineError } from "../base/errors.ts";
import { parseGoDuration } from "../base/go-duration.ts";
import type { CacheRecord } from "../build/cache/cache-record.ts";
import { nowNs } from "../base/clock.ts";
import type { Filters } from "./filters.ts";
import { readTimestamp } from "./timestamp.ts";

/** Filters of the build cache, as `builder prune --filter` has them. */
export const cacheKeeper = {
  keys: [
    "until",
    "unused-for",
    "id",
    "parent",
    "parents",
    "type",
    "description",
    "inuse",
    "shared",
    "private",
    "immutable",
    "mutable",
  ],
  /** Which records stay: those that do not pass all filters. */
  keep:
    (filters: Filters) =>
    (record: CacheRecord): boolean =>
      [...filters].some(([key, values]) => values.length > 0 && !values.some((value) => passes(record, key, value))),
};

function passes(record: CacheRecord, key: string, value: string): boolean {
  switch (key) {
    case "until":
      return record.lastUsedAtNs <= sinceNs(value);
    case "unused-for": {
      const ns = parseGoDuration(value);
      if (ns === undefined) throw new EngineError("invalid", `unused-for filter is no duration: ${value}`);
      return record.lastUsedAtNs <= nowNs() - BigInt(Math.round(ns));
    }
    case "id":
      return record.id.startsWith(value);
    case "parent":
    case "parents":
      return record.parents.includes(value);
    case "type":
      return record.type === value;
    case "description":
      return record.description.includes(value);
    case "inuse":
      return record.inUse === isTrue(value);
    case "shared":
      return record.shared === isTrue(value);
    case "private":
      return record.shared !== isTrue(value);
    case "immutable":
      return (record.type === "regular") === isTrue(value);
    default:
      return (record.type !== "regular") === isTrue(value);
  }
}

const isTrue = (value: string): boolean => !["0", "false", "f"].includes(value.toLowerCase());

/** `24h` before now, or a time. */
function sinceNs(value: string): bigint {
  const ns = parseGoDuration(value);
  return ns === undefined ? readTimestamp("until", value, nowNs()) : nowNs() - BigInt(Math.round(ns));
}
