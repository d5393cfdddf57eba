import { closeSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openInRoot, openRoot, resolveFlags } from "../../kernel/openat2.ts";

/** Runtimes make nodes and links below these before and after they enter the container. */
const realFolders = ["/proc", "/sys", "/dev"];

/**
 * Refuses a rootfs in which one of /proc, /sys, /dev is a symbolic link. runc 1.1 follows such a link on the host
 * when it puts /dev/fd and its kin in place (seen here; CVE-2026-41579), older ones mount through it
 * (CVE-2019-19921, CVE-2023-27561).
 */
export function refuseUnsafeRootfs(rootfs: string): void {
  const root = openRoot(rootfs);
  try {
    for (const path of realFolders) refuseLink(root, path);
  } finally {
    closeSync(root);
  }
}

function refuseLink(root: number, path: string): void {
  try {
    closeSync(
      openInRoot(root, path, { resolve: resolveFlags.inRoot | resolveFlags.noSymlinks | resolveFlags.noMagicLinks }),
    );
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return; // the runtime makes it
    if (!(error instanceof SyscallError) || error.code !== "ELOOP") throw error;
    throw new EngineError("invalid", `unsafe root file system: ${path} is a symbolic link`, { path }, { cause: error });
  }
}
