import { isFolder, isWhiteout, type TreeNode, walkTree } from "../tree/walk.ts";

/** Bytes and files below a folder; what has several names counts once. */
export async function upperUsage(upper: string): Promise<{ bytes: number; files: number }> {
  const seen = new Set<bigint>();
  const usage = { bytes: 0, files: 0 };
  const count = ({ stat }: TreeNode): undefined => {
    if (isFolder(stat) || isWhiteout(stat)) return undefined;
    if (stat.links > 1) {
      if (seen.has(stat.inode)) return undefined;
      seen.add(stat.inode);
    }
    usage.bytes += stat.sizeBytes;
    usage.files++;
    return undefined;
  };
  await walkTree(upper, undefined, count, { deeper: "skip" });
  return usage;
}
