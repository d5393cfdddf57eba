import { chownSync, closeSync, fstatSync, mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openInRoot, openRoot } from "../../kernel/openat2.ts";
import { safeCwd } from "./process.ts";

/**
 * Makes the working directory inside the rootfs where it is missing, with its parents, mode 0755, owned by uid and
 * gid (Docker: root's). What exists is left as it is. Throws when something else than a folder is in the way. Links
 * are followed inside the rootfs only.
 */
export function ensureWorkdir(rootfs: string, cwd: string, uid: number, gid: number): void {
  const root = openRoot(rootfs);
  try {
    closeSync(openFolder(root, safeCwd(cwd), { uid, gid }));
  } finally {
    closeSync(root);
  }
}

function openFolder(root: number, path: string, owner: { uid: number; gid: number }): number {
  const found = openExisting(root, path);
  if (found !== undefined) {
    if (fstatSync(found).isDirectory()) return found;
    closeSync(found);
    throw new EngineError("invalid", `Cannot mkdir: ${path} is not a directory`, { path });
  }
  const parent = openFolder(root, dirname(path), owner);
  try {
    // the parent is pinned by its descriptor: nothing that happens to the tree moves this elsewhere
    const made = `/proc/self/fd/${parent}/${basename(path)}`;
    mkdirSync(made, { mode: 0o755 });
    chownSync(made, owner.uid, owner.gid);
  } catch (error) {
    // made meanwhile, or a link that leads nowhere: the next look decides
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    closeSync(parent);
  }
  const folder = openExisting(root, path);
  if (folder === undefined) throw new EngineError("invalid", `Cannot mkdir: ${path} is not a directory`, { path });
  return folder;
}

function openExisting(root: number, path: string): number | undefined {
  try {
    return openInRoot(root, path);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return undefined;
    if (error instanceof SyscallError && error.code === "ENOTDIR")
      throw new EngineError("invalid", `Cannot mkdir: ${path} is not a directory`, { path });
    throw error;
  }
}
