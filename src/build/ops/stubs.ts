import { closeSync, lstatSync, readlinkSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot, openRoot, resolveFlags } from "../../kernel/openat2.ts";

/**
 * Paths below the root, deepest first, that the runtime will make to mount upon: they are no part of what the step
 * changed.
 */
export function missingTargets(root: string, targets: readonly string[]): string[] {
  const rootFd = openRoot(root);
  try {
    return targets.flatMap((target) => missingParts(rootFd, root, target)).sort((a, b) => b.length - a.length);
  } finally {
    closeSync(rootFd);
  }
}

function missingParts(rootFd: number, root: string, target: string): string[] {
  const parts = target.split("/").filter((part) => part !== "");
  for (let there = parts.length; there >= 0; there--) {
    const place = whereIs(rootFd, parts.slice(0, there).join("/"));
    if (place === undefined) continue;
    const base = place === root ? "" : place.slice(root.length);
    return parts.slice(there).map((_part, index) => join(base, ...parts.slice(there, there + index + 1)));
  }
  return [];
}

/** The path on the host that a path of the tree leads to; undefined when there is nothing. */
function whereIs(rootFd: number, path: string): string | undefined {
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path);
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Removes the paths from what a step changed, those that are empty still. The step may have put links anywhere. */
export function removeStubs(upper: string, paths: readonly string[]): void {
  const rootFd = openRoot(upper);
  try {
    for (const path of paths) removeStub(rootFd, path);
  } finally {
    closeSync(rootFd);
  }
}

function removeStub(rootFd: number, path: string): void {
  const slash = path.lastIndexOf("/");
  let parentFd = -1;
  try {
    parentFd = openInRoot(rootFd, path.slice(0, Math.max(0, slash)), {
      flags: openFlags.path | openFlags.directory,
      resolve: resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagicLinks,
    });
    const full = `/proc/self/fd/${parentFd}/${path.slice(slash + 1)}`;
    const stat = lstatSync(full, { throwIfNoEntry: false });
    if (stat?.isDirectory()) rmdirSync(full);
    else if (stat?.isFile() && stat.size === 0) unlinkSync(full);
  } catch {
    // not empty, or no folder of the step's own: it has put something there, which stays
  } finally {
    if (parentFd >= 0) closeSync(parentFd);
  }
}
