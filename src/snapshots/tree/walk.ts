import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { nameBytes, type NodeStat, nodeTypes, statNode } from "../../kernel/fs-node.ts";
import { openFlags, openInRoot, openRoot, resolveFlags } from "../../kernel/openat2.ts";

/** A file of a tree. It is reached by its folder's descriptor: a container that moves folders about leads nowhere else. */
export interface TreeNode {
  /** Below the root, one character per byte; empty for the root. */
  readonly path: string;
  readonly stat: NodeStat;
  /** The node's last name in its folder, which is open as `folderFd` during the visit. */
  readonly name: Buffer;
  readonly folderFd: number;
}

const noLinks = resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagicLinks;
/** Each level holds a descriptor, and a container may make levels without end. No program names a path this deep. */
const maxDepth = 2100; // PATH_MAX / 2, and some
const nodesPerTurn = 256; // about 2 ms, then other work gets its turn

/**
 * Visits a tree that may change meanwhile, folders before what is in them, names in byte order. `visit` may give a
 * context that its children are visited with.
 */
export async function walkTree<C>(
  root: string,
  context: C,
  visit: (node: TreeNode, context: C) => C | Promise<C>,
  options: { signal?: AbortSignal; deeper?: "refuse" | "skip" } = {},
): Promise<void> {
  let seen = 0;
  const rootFd = openRoot(root);
  const descend = async (folderFd: number, path: string, above: C, depth: number): Promise<void> => {
    if (depth > maxDepth) {
      if (options.deeper === "skip") return;
      throw new EngineError("invalid", `the tree is deeper than ${maxDepth} folders`);
    }
    const names = readdirSync(`/proc/self/fd/${folderFd}`, { encoding: "buffer" }).map((name) =>
      Buffer.from(name).toString("latin1"),
    );
    for (const child of names.sort(byBytes)) {
      if (++seen % nodesPerTurn === 0) {
        options.signal?.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve));
      }
      const name = nameBytes(child);
      const stat = statNode(name, folderFd);
      if (!stat) continue; // removed meanwhile
      const node = { path: path === "" ? child : `${path}/${child}`, stat, name, folderFd };
      const below = await visit(node, above);
      if (!isFolder(stat)) continue;
      const fd = tryOpen(folderFd, name, openFlags.path | openFlags.directory);
      if (fd < 0) continue;
      try {
        await descend(fd, node.path, below, depth + 1);
      } finally {
        closeSync(fd);
      }
    }
  };
  try {
    const name = nameBytes(".");
    const stat = statNode(name, rootFd);
    if (!stat) return;
    await descend(rootFd, "", await visit({ path: "", stat, name, folderFd: rootFd }, context), 0);
  } finally {
    closeSync(rootFd);
  }
}

/**
 * Opens a file's content for reading; -1 when it is something else by now. Looked at before it is opened: a container
 * may put a device in its place, and this process may read every disk.
 */
export function openContent(node: TreeNode): number {
  const place = tryOpen(node.folderFd, node.name, openFlags.path | openFlags.noFollow);
  if (place < 0) return -1;
  try {
    return fstatSync(place).isFile() ? openSync(`/proc/self/fd/${place}`, "r") : -1;
  } finally {
    closeSync(place);
  }
}

/** A path for calls that know no descriptors, valid during the visit. */
export function pathOf(node: TreeNode): Buffer {
  return nameBytes(`/proc/self/fd/${node.folderFd}/${node.name.toString("latin1", 0, node.name.length - 1)}`);
}

export const typeOf = (stat: NodeStat): number => stat.mode & nodeTypes.mask;
export const isFolder = (stat: NodeStat): boolean => typeOf(stat) === nodeTypes.folder;
/** overlayfs marks a removed file by a character device 0/0. */
export const isWhiteout = (stat: NodeStat): boolean =>
  typeOf(stat) === nodeTypes.character && stat.rdevMajor === 0 && stat.rdevMinor === 0;

function tryOpen(folderFd: number, name: Buffer, flags: number): number {
  try {
    return openInRoot(folderFd, name, { flags, resolve: noLinks });
  } catch (error) {
    if (error instanceof SyscallError && ["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EXDEV"].includes(error.code))
      return -1;
    throw error;
  }
}

/** latin1 text in the order of its bytes. */
const byBytes = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
