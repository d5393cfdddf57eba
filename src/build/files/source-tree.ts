import { closeSync, readdirSync, readlinkSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { nameBytes, type NodeStat, nodeTypes, statNode } from "../../kernel/fs-node.ts";
import { openFlags, openInRoot, resolveFlags } from "../../kernel/openat2.ts";
import { getXattr, listXattr } from "../../kernel/xattr.ts";

// Trees that steps read: for Workers, synchronous. Names have one character per byte. Links in a path that was asked
// for are followed inside the root, by the kernel; links found while walking are never followed.

const noLinks = resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagicLinks;
/** PATH_MAX / 2, and some: no program names a path this deep. */
const maxDepth = 2100;

export const toBytes = (text: string): string => Buffer.from(text).toString("latin1");
export const toText = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

/** A path for calls that know no descriptors. */
export const pathAt = (folderFd: number, name: string): Buffer => nameBytes(`/proc/self/fd/${folderFd}/${name}`);

/** The same without its NUL, for node:fs. */
export const fsPathAt = (folderFd: number, name: string): Buffer =>
  Buffer.from(`/proc/self/fd/${folderFd}/${name}`, "latin1");

/** Opens a path as it looks from inside the root; undefined when there is nothing. The caller closes it. */
export function tryOpen(rootFd: number, path: string, flags: number = openFlags.path): number | undefined {
  try {
    return openInRoot(rootFd, nameBytes(path === "" ? "." : path), { flags });
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    if (error instanceof SyscallError && error.code === "ELOOP")
      throw new EngineError("invalid", `too many links in path /${toText(path)}`, { path: toText(path) });
    throw error;
  }
}

/** Names in an open folder, in byte order. */
export function namesIn(folderFd: number): string[] {
  return readdirSync(`/proc/self/fd/${folderFd}`, { encoding: "buffer" })
    .map((name) => Buffer.from(name).toString("latin1"))
    .sort();
}

/** A file of a tree, reached by its folder's descriptor, which is open during the visit. */
export interface SourceNode {
  /** Below the folder that the walk began at. */
  readonly path: string;
  readonly folderFd: number;
  readonly name: string;
  readonly stat: NodeStat;
}

/** Visits what lies below an open folder, folders before what is in them; `visit` says whether to go into one. */
export function walkBelow(folderFd: number, visit: (node: SourceNode) => boolean): void {
  const descend = (fd: number, above: string, depth: number): void => {
    if (depth > maxDepth) throw new EngineError("invalid", `the tree is deeper than ${maxDepth} folders`);
    for (const name of namesIn(fd)) {
      const stat = statNode(nameBytes(name), fd);
      if (!stat) continue;
      const path = above === "" ? name : `${above}/${name}`;
      if (!visit({ path, folderFd: fd, name, stat })) continue;
      if ((stat.mode & nodeTypes.mask) !== nodeTypes.folder) continue;
      const below = openInRoot(fd, nameBytes(name), { flags: openFlags.path | openFlags.directory, resolve: noLinks });
      try {
        descend(below, path, depth + 1);
      } finally {
        closeSync(below);
      }
    }
  };
  descend(folderFd, "", 0);
}

export const linkTarget = (node: Pick<SourceNode, "folderFd" | "name">): string =>
  readlinkSync(fsPathAt(node.folderFd, node.name), { encoding: "buffer" }).toString("latin1");

/** Attributes that layers keep: capabilities and those of users. */
export function keptXattrs(path: Buffer): [string, Buffer][] {
  const kept: [string, Buffer][] = [];
  for (const name of listXattr(path).sort()) {
    if (name !== "security.capability" && (!name.startsWith("user.") || name.startsWith("user.overlay."))) continue;
    const value = getXattr(path, name);
    if (value) kept.push([name, value]);
  }
  return kept;
}
