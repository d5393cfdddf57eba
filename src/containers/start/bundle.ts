import { type Dirent, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes a bundle without ever walking into a mount: folders that may be mount points are only taken away when they
 * are empty (rmdir), so a mount that would not go keeps its files. Idempotent. Synchronous but for what an exec left:
 * a handful of names, for which a thread each would be most of the time.
 */
export async function removeBundle(bundle: string): Promise<void> {
  for (const entry of list(bundle)) {
    const path = join(bundle, entry.name);
    if (!entry.isDirectory()) unlessMissing(() => unlinkSync(path));
    else if (entry.name === "exec") await rm(path, { recursive: true, force: true });
    else if (entry.name === "images" || entry.name === "sub") removeTargets(path);
    else unlessMissing(() => rmdirSync(path));
  }
  unlessMissing(() => rmdirSync(bundle));
}

/** A mount point, or a folder of mount points. */
function removeTargets(folder: string): void {
  for (const entry of list(folder)) {
    const path = join(folder, entry.name);
    unlessMissing(() => (entry.isDirectory() ? rmdirSync(path) : unlinkSync(path)));
  }
  unlessMissing(() => rmdirSync(folder));
}

function list(folder: string): Dirent[] {
  let entries: Dirent[] = [];
  unlessMissing(() => {
    entries = readdirSync(folder, { withFileTypes: true });
  });
  return entries;
}

function unlessMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}
