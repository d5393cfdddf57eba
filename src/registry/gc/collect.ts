import { fault } from "../../base/fault.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Core, lockTimeoutMs } from "../core.ts";
import type { Uploads } from "../uploads/uploads.ts";
import { condemnBatch, condemnUnlinked, countDoomed, type Cursor } from "./condemn.ts";
import { sweepManifests } from "./manifests.ts";

/** Between two of these, clients are served: a batch is a millisecond or two. */
const batchLinks = 250;

export interface CollectOptions {
  /** Only says what would go. */
  readonly dryRun: boolean;
  /** Manifests that no tag, index or subject needs go too. */
  readonly untagged: boolean;
  readonly graceMs: number;
  readonly uploadIdleMs: number;
  readonly signal?: AbortSignal;
}

export interface Collected {
  manifests: number;
  blobs: number;
  bytes: number;
  /** Files at the driver that no row knew: of a crash between the two. */
  orphans: number;
  uploads: number;
}

/**
 * Removes what nobody needs, while clients are served. Safe because a blob goes in three steps: one transaction sees
 * that no manifest of the repository needs it and that no client was told of it within the grace time, takes the
 * link, and condemns a blob without links; then, holding the digest's lock, its bytes go if it is still condemned;
 * then its row. Whoever brings the blob again waits for the lock or ends the condemnation. Decision 026 has the
 * argument. May be cut anywhere: the next one finishes what is condemned and goes on behind the cursor.
 */
export async function collect(core: Core, uploads: Uploads, options: CollectOptions): Promise<Collected> {
  const { dryRun, signal } = options;
  const cutoffMs = Date.now() - options.graceMs;
  const done: Collected = { manifests: 0, blobs: 0, bytes: 0, orphans: 0, uploads: 0 };
  if (!dryRun) await removeCondemned(core, done, signal);
  done.manifests = await sweepManifests(core, { ...options, cutoffMs });
  if (dryRun) {
    Object.assign(done, countDoomed(core.db, cutoffMs));
    core.db.run("DROP TABLE IF EXISTS temp.doomed");
    done.orphans = await sweepOrphans(core, { cutoffMs, dryRun, ...(signal && { signal }) });
    return done;
  }
  let cursor: Cursor | undefined = readCursor(core);
  while (cursor !== undefined) {
    signal?.throwIfAborted();
    cursor = condemnBatch(core.db, { after: cursor, cutoffMs, limit: batchLinks });
    noteCursor(core, cursor);
    fault("registry.condemned");
    await removeCondemned(core, done, signal);
    await Bun.sleep(0); // requests that wait come first
  }
  condemnUnlinked(core.db);
  await removeCondemned(core, done, signal);
  done.orphans = await sweepOrphans(core, { cutoffMs, dryRun, ...(signal && { signal }) });
  done.uploads = await uploads.sweep(options.uploadIdleMs);
  removeEmptyRepositories(core, cutoffMs);
  return done;
}

/** Removes the bytes and rows of condemned blobs, one lock at a time. */
async function removeCondemned(core: Core, done: Collected, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    const condemned = core.db
      .query<{ digest: string; size: number }, []>("SELECT digest, size FROM blobs WHERE condemned = 1 LIMIT 100")
      .all();
    if (condemned.length === 0) return;
    for (const { digest, size } of condemned) {
      signal?.throwIfAborted();
      using _ = await core.locks.acquire(digest, { timeoutMs: lockTimeoutMs, what: `blob ${digest}` });
      // pushed again meanwhile: who adopted it has ended the condemnation
      if (core.db.query("SELECT 1 FROM blobs WHERE digest = ? AND condemned = 1").get(digest) === null) continue;
      await core.driver.remove(digest);
      fault("registry.removed");
      core.db.query("DELETE FROM blobs WHERE digest = ? AND condemned = 1").run(digest);
      done.blobs += 1;
      done.bytes += size;
    }
  }
}

/** Removes bytes that the books do not know, when they are old enough not to be on their way into them. */
async function sweepOrphans(
  core: Core,
  options: { cutoffMs: number; dryRun: boolean; signal?: AbortSignal },
): Promise<number> {
  const known = core.db.query<{ n: number }, [string]>("SELECT 1 AS n FROM blobs WHERE digest = ?");
  let orphans = 0;
  for await (const { digest, modifiedAtMs } of core.driver.list()) {
    options.signal?.throwIfAborted();
    if (modifiedAtMs >= options.cutoffMs || known.get(digest) !== null) continue;
    using _ = await core.locks.acquire(digest, { timeoutMs: lockTimeoutMs, what: `blob ${digest}` });
    if (known.get(digest) !== null) continue;
    if (!options.dryRun) await core.driver.remove(digest);
    orphans += 1;
  }
  return orphans;
}

function removeEmptyRepositories({ db }: Core, cutoffMs: number): void {
  db.query(
    `DELETE FROM repositories WHERE created_at < ? AND NOT EXISTS (SELECT 1 FROM links l WHERE l.repository = id)
     AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository = id)`,
  ).run(cutoffMs);
}

const cursorNote = "collection";

function readCursor({ db, log }: Core): Cursor {
  const start = { repository: 0, digest: "" };
  const row = db.query<{ value: string }, [string]>("SELECT value FROM notes WHERE name = ?").get(cursorNote);
  if (row === null) return start;
  try {
    return JSON.parse(row.value) as Cursor;
  } catch (error) {
    log.warn("the collection begins anew", { error: errorMessage(error) });
    return start;
  }
}

function noteCursor({ db }: Core, cursor: Cursor | undefined): void {
  if (cursor === undefined) db.query("DELETE FROM notes WHERE name = ?").run(cursorNote);
  else db.query("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)").run(cursorNote, JSON.stringify(cursor));
}
