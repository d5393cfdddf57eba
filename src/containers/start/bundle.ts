import { readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes a bundle without ever walking into a mount: folders that may be mount points are only taken away when they
 * are empty (rmdir), so a mount that would not go keeps its files. Idempotent.
 */
export async function removeBundle(bundle: string): Promise<void> {
  const entries = await readdir(bundle, { withFileTypes: true }).catch(ignoreMissing([]));
  for (const entry of entries) {
    const path = join(bundle, entry.name);
    if (!entry.isDirectory()) await unlink(path).catch(ignoreMissing(undefined));
    else if (entry.name === "exec") await rm(path, { recursive: true, force: true });
    else if (entry.name === "images" || entry.name === "sub") await removeTargets(path);
    else await rmdir(path);
  }
  await rmdir(bundle).catch(ignoreMissing(undefined));
}

/** A mount point, or a folder of mount points. */
async function removeTargets(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(ignoreMissing([]))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await rmdir(path);
    else await unlink(path);
  }
  await rmdir(folder).catch(ignoreMissing(undefined));
}

const ignoreMissing =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === "ENOENT") return instead;
    throw error;
  };
