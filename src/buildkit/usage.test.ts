import { expect, test } from "bun:test";
import type { CacheRecord } from "../build/cache/cache-record.ts";
import { pruneOptions, usageOf } from "./usage.ts";

const record = (over: Partial<CacheRecord>): CacheRecord => ({
  id: "abc",
  parents: [],
  type: "regular",
  description: "RUN x",
  sizeBytes: 5,
  createdAtNs: 1_500_000_000n,
  lastUsedAtNs: 0n,
  usageCount: 2,
  inUse: false,
  shared: false,
  ...over,
});

test("filters of buildx choose records", () => {
  const cases: [string[], Partial<CacheRecord>, boolean][] = [
    [[], {}, true],
    [["type==regular"], {}, true],
    [["type==exec.cachemount"], {}, false],
    [["type!=regular"], { type: "exec.cachemount" }, true],
    [["id~=b"], {}, true],
    [["id~=."], {}, false],
    [["id==abd", "id==abc"], {}, true],
    [["id==abc,shared"], {}, false],
    [["!inuse"], {}, true],
    [["shared==false"], {}, true],
    [["mutable"], { type: "source.local" }, true],
    [["parents~=p1"], { parents: ["p1", "p2"] }, true],
    [["no such ! filter"], {}, false],
  ];
  for (const [filters, over, matches] of cases)
    expect([filters, pruneOptions(filters).matches(record(over))]).toEqual([filters, matches]);
});

test("a record is shown with sizes and times", () => {
  expect(usageOf(record({ type: "exec.cachemount" }))).toMatchObject({
    ID: "abc",
    Mutable: true,
    Size: 5n,
    CreatedAt: { seconds: 1n, nanos: 500_000_000 },
    UsageCount: 2n,
  });
});
