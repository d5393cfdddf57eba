import { rfc3339 } from "../../base/clock.ts";
import type { CacheRecord } from "../../build/cache/cache-record.ts";

/** A record of the build cache in its wire form. */
export const buildCacheJson = (record: CacheRecord) => ({
  ID: record.id,
  ...(record.parents.length > 0 && { Parents: record.parents }),
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.sizeBytes,
  CreatedAt: rfc3339(record.createdAtNs),
  LastUsedAt: record.usageCount === 0 ? null : rfc3339(record.lastUsedAtNs),
  UsageCount: record.usageCount,
});
