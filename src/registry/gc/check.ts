import { errorMessage } from "../../base/errors.ts";
import { type Core, lockTimeoutMs } from "../core.ts";
import { algorithmOf } from "../names.ts";

const pageRows = 500;
const maxTold = 1000;

export interface CheckResult {
  checked: number;
  /** Blobs whose bytes are missing, cut or wrong, the first thousand. */
  damaged: { digest: string; why: string }[];
  damagedCount: number;
}

/**
 * Compares the books with the bytes: sizes, or with `digests` all content. A repair forgets damaged blobs, so that the
 * next push of an image brings them again; manifests and tags stay.
 */
export async function checkBlobs(core: Core, options: { repair: boolean; digests: boolean }): Promise<CheckResult> {
  const result: CheckResult = { checked: 0, damaged: [], damagedCount: 0 };
  const page = core.db.query<{ digest: string; size: number }, [string, number]>(
    "SELECT digest, size FROM blobs WHERE condemned = 0 AND digest > ? ORDER BY digest LIMIT ?",
  );
  for (let last = ""; ;) {
    const blobs = page.all(last, pageRows);
    for (const blob of blobs) {
      using _ = await core.locks.acquire(blob.digest, { timeoutMs: lockTimeoutMs, what: `blob ${blob.digest}` });
      const why = await damageOf(core, blob, options.digests);
      result.checked += 1;
      if (why === undefined) continue;
      result.damagedCount += 1;
      if (result.damaged.length < maxTold) result.damaged.push({ digest: blob.digest, why });
      core.log.error("a blob is damaged", { digest: blob.digest, why, repaired: options.repair });
      if (options.repair) await forget(core, blob.digest);
    }
    last = blobs.at(-1)?.digest ?? "";
    if (blobs.length < pageRows) return result;
  }
}

async function damageOf(
  { driver }: Core,
  { digest, size }: { digest: string; size: number },
  digests: boolean,
): Promise<string | undefined> {
  const real = await driver.size(digest);
  if (real === undefined) return "its bytes are missing";
  if (real !== size) return `it has ${real} bytes, not ${size}`;
  if (!digests) return undefined;
  const hasher = new Bun.CryptoHasher(algorithmOf(digest));
  try {
    const body = await driver.read(digest);
    for await (const chunk of body instanceof Blob ? body.stream() : body) hasher.update(chunk);
  } catch (error) {
    return `it cannot be read: ${errorMessage(error)}`;
  }
  return `${algorithmOf(digest)}:${hasher.digest("hex")}` === digest
    ? undefined
    : "its content is not that of its digest";
}

/** To be called with the digest's lock: nobody puts the bytes back meanwhile. */
async function forget({ db, driver }: Core, digest: string): Promise<void> {
  db.transaction(() => {
    db.query("DELETE FROM links WHERE digest = ?").run(digest);
    db.query("UPDATE blobs SET condemned = 1 WHERE digest = ?").run(digest);
  }).immediate();
  await driver.remove(digest);
  db.query("DELETE FROM blobs WHERE digest = ?").run(digest);
}
