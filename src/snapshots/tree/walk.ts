import { closeSync, readdirSync } from "node:fs";
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
const nodesPerTurn = 256; // about 2 ms, then other work gets its turn

/**
 * Visits a tree that may change meanwhile, folders before what is in them, names in byte order. `visit` may give a
 * context that its children are visited with.
 */
export async function walkTree<C>(
  root: string,
  context: C,
  visit: (node: TreeNode, context: C) => C | Promise<C>,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  let seen = 0;
  const rootFd = openRoot(root);
  const descend = async (folderFd: number, path: string, above: C): Promise<void> => {
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
        await descend(fd, node.path, below);
      } finally {
        closeSync(fd);
      }
    }
  };
  try {
    const name = nameBytes(".");
    const stat = statNode(name, rootFd);
    if (!stat) return;
    await descend(rootFd, "", await visit({ path: "", stat, name, folderFd: rootFd }, context));
  } finally {
    closeSync(rootFd);
  }
}

/** Opens a node's content for reading; -1 when it is something else by now. */
export const openContent = (node: TreeNode): number =>
  tryOpen(node.folderFd, node.name, openFlags.read | openFlags.noFollow | openFlags.nonBlock);

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
