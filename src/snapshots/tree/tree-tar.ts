import { closeSync, read, readlinkSync } from "node:fs";
import { PassThrough, type Readable } from "node:stream";
import { nodeTypes } from "../../kernel/fs-node.ts";
import { getXattr, listXattr } from "../../kernel/xattr.ts";
import { isFolder, isWhiteout, openContent, pathOf, type TreeNode, typeOf, walkTree } from "./walk.ts";
import { tarEnd, tarHeader, type TarMember, tarPadding } from "./tar-writer.ts";

export interface TreeTarOptions {
  /** `overlay`: overlayfs' marks become the whiteouts of layer archives. */
  readonly whiteouts: "overlay" | "none";
  /** Whether the root folder itself is a member, `./`. */
  readonly withRoot: boolean;
  /** Before every name, with a slash at its end. */
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

/**
 * A tar of a tree that may change meanwhile: nothing outside it is ever read, and a file that grows or shrinks while
 * it is read is cut or filled to the length its header says.
 */
export function treeTar(root: string, options: TreeTarOptions): Readable {
  const through = new PassThrough({ highWaterMark: 1024 * 1024 });
  const out = async (bytes: Buffer): Promise<void> => {
    if (through.destroyed) throw new Error("the archive's reader went away");
    if (through.write(bytes)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    through.once("drain", resolve).once("close", resolve);
    await promise;
    through.off("drain", resolve).off("close", resolve);
  };
  write(root, options, out).then(
    () => through.end(),
    (error: unknown) => through.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return through;
}

async function write(root: string, options: TreeTarOptions, out: (bytes: Buffer) => Promise<void>): Promise<void> {
  const { prefix = "" } = options;
  const firstName = new Map<string, string>();
  await walkTree(
    root,
    undefined,
    async (node) => {
      if (node.path === "" && !options.withRoot) return undefined;
      if (options.whiteouts === "overlay" && isWhiteout(node.stat)) {
        await out(
          tarHeader({
            name: prefix + sibling(node.path, ".wh."),
            type: "file",
            mode: 0,
            uid: 0,
            gid: 0,
            mtimeSeconds: 0,
          }),
        );
        return undefined;
      }
      const member = describe(node, prefix);
      if (!member) return undefined;
      const key =
        node.stat.links > 1 && !isFolder(node.stat)
          ? `${node.stat.devMajor}:${node.stat.devMinor}:${node.stat.inode}`
          : undefined;
      const linked = key === undefined ? undefined : firstName.get(key);
      if (linked !== undefined) {
        await out(tarHeader({ ...member, type: "link", linkName: linked, sizeBytes: 0, xattrs: [] }));
        return undefined;
      }
      if (member.type === "file") {
        if (!(await writeFile(node, member, out))) return undefined;
      } else await out(tarHeader(member));
      if (key !== undefined) firstName.set(key, prefix + node.path);
      if (
        options.whiteouts === "overlay" &&
        isFolder(node.stat) &&
        getXattr(pathOf(node), "trusted.overlay.opaque")?.toString() === "y"
      ) {
        await out(
          tarHeader({
            name: `${prefix}${node.path}/.wh..wh..opq`,
            type: "file",
            mode: 0,
            uid: 0,
            gid: 0,
            mtimeSeconds: 0,
          }),
        );
      }
      return undefined;
    },
    options.signal ? { signal: options.signal } : {},
  );
  await out(tarEnd);
}

/** undefined for sockets, which archives cannot hold. */
function describe(node: TreeNode, prefix: string): TarMember | undefined {
  const { stat, path } = node;
  const common = {
    name: prefix + path,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtimeSeconds: Number(stat.mtimeNs / 1_000_000_000n), // moby parity: whole seconds in layers
    xattrs: keptXattrs(node),
  };
  switch (typeOf(stat)) {
    case nodeTypes.file:
      return { ...common, type: "file", sizeBytes: stat.sizeBytes };
    case nodeTypes.folder:
      return { ...common, type: "folder", name: path === "" ? prefix || "./" : `${prefix}${path}/` };
    case nodeTypes.link: {
      const target = linkTarget(node);
      return target === undefined ? undefined : { ...common, type: "symlink", linkName: target };
    }
    case nodeTypes.character:
    case nodeTypes.block:
      return {
        ...common,
        type: typeOf(stat) === nodeTypes.block ? "block" : "character",
        devMajor: stat.rdevMajor,
        devMinor: stat.rdevMinor,
      };
    case nodeTypes.fifo:
      return { ...common, type: "fifo" };
    default:
      return undefined;
  }
}

/** moby parity: of a file's attributes, layers keep its capabilities; and those of users. */
function keptXattrs(node: TreeNode): [string, Buffer][] {
  if (typeOf(node.stat) !== nodeTypes.file && !isFolder(node.stat)) return [];
  const path = pathOf(node);
  const kept: [string, Buffer][] = [];
  for (const name of listXattr(path)) {
    if (name !== "security.capability" && (!name.startsWith("user.") || name.startsWith("user.overlay."))) continue;
    const value = getXattr(path, name);
    if (value) kept.push([name, value]);
  }
  return kept;
}

function linkTarget(node: TreeNode): string | undefined {
  try {
    const path = pathOf(node);
    return readlinkSync(path.subarray(0, path.length - 1), { encoding: "buffer" }).toString("latin1");
  } catch {
    return undefined; // no link any more
  }
}

/** False when the file is not there any more. */
async function writeFile(node: TreeNode, member: TarMember, out: (bytes: Buffer) => Promise<void>): Promise<boolean> {
  const fd = openContent(node);
  if (fd < 0) return false;
  try {
    const sizeBytes = member.sizeBytes ?? 0;
    await out(tarHeader(member));
    for (let left = sizeBytes; left > 0;) {
      const bytes = Buffer.alloc(Math.min(left, 512 * 1024));
      const count = (await readSome(fd, bytes)) || bytes.length; // shorter by now: zeros
      await out(bytes.subarray(0, count));
      left -= count;
    }
    if (sizeBytes % 512 !== 0) await out(tarPadding(sizeBytes));
    return true;
  } finally {
    closeSync(fd);
  }
}

const readSome = (fd: number, bytes: Buffer): Promise<number> =>
  new Promise((resolve, reject) =>
    read(fd, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count))),
  );

function sibling(path: string, prefix: string): string {
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}${prefix}${path.slice(slash)}`;
}
