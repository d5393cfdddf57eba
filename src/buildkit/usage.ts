import type { CacheRecord } from "../build/cache/cache-record.ts";
import type { Usage } from "./build-side.ts";

const time = (ns: bigint) => ({ seconds: ns / 1_000_000_000n, nanos: Number(ns % 1_000_000_000n) });

/** A record of the cache as `buildx du` shows it. */
export const usageOf = (record: CacheRecord): Usage => ({
  ID: record.id,
  Mutable: record.type !== "regular",
  InUse: record.inUse,
  Size: BigInt(record.sizeBytes),
  CreatedAt: time(record.createdAtNs),
  LastUsedAt: time(record.lastUsedAtNs),
  UsageCount: BigInt(record.usageCount),
  Description: record.description,
  RecordType: record.type,
  Shared: record.shared,
  Parents: [...record.parents],
});

/** containerd's filter syntax, as far as buildx writes it: `type==regular`, `id~=abc`, `inuse`, several in one text. */
export function pruneOptions(filters: readonly string[]): { matches: (record: CacheRecord) => boolean } {
  const tests = filters.map((filter) => filter.split(",").map(readTerm));
  return {
    matches: (record) => tests.length === 0 || tests.some((terms) => terms.every((term) => term(record))),
  };
}

function readTerm(term: string): (record: CacheRecord) => boolean {
  const found = /^(!?)(\w+)(?:(==|!=|~=)"?([^"]*)"?)?$/.exec(term.trim());
  if (!found) return () => false;
  const [, not, name = "", operator, value = ""] = found;
  return (record) => {
    const given = member(record, name.toLowerCase());
    if (operator === undefined) return (given !== "" && given !== "false") !== (not === "!");
    if (operator === "~=") return new RegExp(value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).test(given);
    return (given === value) === (operator === "==");
  };
}

function member(record: CacheRecord, name: string): string {
  switch (name) {
    case "id":
      return record.id;
    case "type":
      return record.type;
    case "description":
      return record.description;
    case "inuse":
      return String(record.inUse);
    case "shared":
      return String(record.shared);
    case "mutable":
      return String(record.type !== "regular");
    case "immutable":
      return String(record.type === "regular");
    case "parents":
    case "parent":
      return record.parents.join(";");
    default:
      return "";
  }
}
