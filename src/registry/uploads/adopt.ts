import { rm } from "node:fs/promises";
import { fault } from "../../base/fault.ts";
import { knownBlob, link } from "../books/links.ts";
import { ensureRepository } from "../books/repositories.ts";
import { type Core, lockTimeoutMs } from "../core.ts";

/**
 * Makes a verified staged file a blob of a repository. The bytes are on the disk before the books know them, and the
 * books know them before anybody may see them. `sync` brings the file to the disk; it is not asked where the blob is
 * there already. `admit` runs in the transaction that links and may refuse (a quota).
 */
export async function adopt(
  core: Core,
  staged: { path: string; digest: string; sizeBytes: number; sync: () => Promise<void> },
  into: { repository: string; admit: () => void; settled: () => void },
): Promise<void> {
  const { digest, sizeBytes } = staged;
  using _ = await core.locks.acquire(digest, { timeoutMs: lockTimeoutMs, what: `blob ${digest}` });
  const known = knownBlob(core.db, digest);
  // a condemned one was left by a collection that was cut: it is made anew, and the condemnation ends below
  const there = known?.condemned === false && (await core.driver.size(digest)) === sizeBytes;
  if (there) {
    await rm(staged.path, { force: true });
  } else {
    await staged.sync();
    fault("registry.synced");
    await core.driver.adopt(staged.path, digest);
  }
  fault("registry.adopted");
  try {
    core.db
      .transaction(() => {
        into.admit();
        core.db
          .query(
            `INSERT INTO blobs (digest, size, created_at) VALUES (?, ?, ?)
             ON CONFLICT (digest) DO UPDATE SET condemned = 0, size = excluded.size`,
          )
          .run(digest, sizeBytes, Date.now());
        link(core.db, ensureRepository(core.db, into.repository), digest);
        into.settled();
      })
      .immediate();
  } catch (error) {
    if (knownBlob(core.db, digest) === undefined) await core.driver.remove(digest);
    throw error;
  }
}
