import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { nameBytes, type NodeStat, nodeTypes, setTimes, statNode } from "../../kernel/fs-node.ts";
import { getXattr, listXattr } from "../../kernel/xattr.ts";
import { tarEnd, tarHeader, type TarMember, tarPadding } from "./tar-writer.ts";
import { isFolder, isWhiteout, typeOf } from "./walk.ts";

/** Takes the archive of a tree piece by piece. */
export interface TreeSink {
  /** Headers and padding. */
  raw(bytes: Buffer): void;
  /** A part of a file's content; the memory is used again. */
  content(bytes: Buffer): void;
  /** The file whose content was given. */
  file(path: string, sizeBytes: number): void;
}

/**
 * The layer archive of a tree that nobody changes meanwhile, names in byte order: what `treeTar` writes, but
 * synchronous, for Workers, and told apart into headers and content. Paths have one character per byte.
 */
export function describeTree(
  root: string,
  sink: TreeSink,
  options: { notAfterSeconds: number | null },
): { sizeBytes: number; entries: number } {
  const firstName = new Map<bigint, string>();
  const buffer = Buffer.alloc(512 * 1024);
  const { notAfterSeconds } = options;
  let sizeBytes = 0;
  let entries = 0;

  const visit = (path: string): void => {
    const full = nameBytes(`${Buffer.from(root).toString("latin1")}/${path}`);
    const stat = statNode(full);
    if (!stat) return;
    const folder = isFolder(stat);
    // before its own time is set: its children's names are only read
    if (notAfterSeconds !== null && stat.mtimeNs > BigInt(notAfterSeconds) * 1_000_000_000n && !isWhiteout(stat))
      setTimes(full, BigInt(notAfterSeconds) * 1_000_000_000n, BigInt(notAfterSeconds) * 1_000_000_000n);
    if (path !== "") entry(path, full, stat);
    if (!folder) return;
    if (path !== "" && getXattr(full, "trusted.overlay.opaque")?.toString() === "y")
      sink.raw(mark(`${path}/.wh..wh..opq`));
    const names = readdirSync(full.subarray(0, full.length - 1), { encoding: "buffer" }).map((name) =>
      Buffer.from(name).toString("latin1"),
    );
    for (const name of names.sort()) visit(path === "" ? name : `${path}/${name}`);
  };

  const entry = (path: string, full: Buffer, stat: NodeStat): void => {
    if (isWhiteout(stat)) {
      entries++;
      const slash = path.lastIndexOf("/") + 1;
      return sink.raw(mark(`${path.slice(0, slash)}.wh.${path.slice(slash)}`));
    }
    const member = describe(path, full, stat, notAfterSeconds);
    if (!member) return;
    entries++;
    const linked = stat.links > 1 && !isFolder(stat) ? firstName.get(stat.inode) : undefined;
    if (linked !== undefined)
      return sink.raw(tarHeader({ ...member, type: "link", linkName: linked, sizeBytes: 0, xattrs: [] }));
    if (stat.links > 1) firstName.set(stat.inode, path);
    sink.raw(tarHeader(member));
    sizeBytes += member.type === "symlink" ? (member.linkName ?? "").length : (member.sizeBytes ?? 0);
    if (member.type !== "file" || stat.sizeBytes === 0) return;
    content(full, stat.sizeBytes);
    sink.file(path, stat.sizeBytes);
    if (stat.sizeBytes % 512 !== 0) sink.raw(tarPadding(stat.sizeBytes));
  };

  const content = (full: Buffer, length: number): void => {
    const fd = openSync(full.subarray(0, full.length - 1), "r");
    try {
      for (let left = length; left > 0;) {
        const got = readSync(fd, buffer, 0, Math.min(left, buffer.length), null);
        if (got === 0) throw new Error(`${full.toString("utf8", 0, full.length - 1)} is shorter than it was`);
        sink.content(buffer.subarray(0, got));
        left -= got;
      }
    } finally {
      closeSync(fd);
    }
  };

  visit("");
  sink.raw(tarEnd);
  return { sizeBytes, entries };
}

const mark = (name: string): Buffer => tarHeader({ name, type: "file", mode: 0, uid: 0, gid: 0, mtimeSeconds: 0 });

/** undefined for sockets, which archives cannot hold. */
function describe(path: string, full: Buffer, stat: NodeStat, notAfterSeconds: number | null): TarMember | undefined {
  const seconds = Number(stat.mtimeNs / 1_000_000_000n); // moby parity: whole seconds in layers
  const common = {
    name: path,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtimeSeconds: notAfterSeconds === null ? seconds : Math.min(seconds, notAfterSeconds),
  };
  switch (typeOf(stat)) {
    case nodeTypes.file:
      return { ...common, type: "file", sizeBytes: stat.sizeBytes, xattrs: keptXattrs(full) };
    case nodeTypes.folder:
      return { ...common, type: "folder", name: `${path}/`, xattrs: keptXattrs(full) };
    case nodeTypes.link:
      return {
        ...common,
        type: "symlink",
        linkName: readlinkSync(full.subarray(0, full.length - 1), { encoding: "buffer" }).toString("latin1"),
      };
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
function keptXattrs(path: Buffer): [string, Buffer][] {
  const kept: [string, Buffer][] = [];
  for (const name of listXattr(path).sort()) {
    if (name !== "security.capability" && (!name.startsWith("user.") || name.startsWith("user.overlay."))) continue;
    const value = getXattr(path, name);
    if (value) kept.push([name, value]);
  }
  return kept;
}
