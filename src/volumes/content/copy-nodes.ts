import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import {
  chmodAt,
  chownAt,
  copyRange,
  readLinkAt,
  readXattrs,
  reflink,
  seekFor,
  setTimesAt,
  tryLinkAt,
  tryMkdirAt,
  tryMknodAt,
  tryOpenAt,
  trySetXattr,
  trySymlinkAt,
} from "../../kernel/fs-at.ts";
import {
  chmodFd,
  chownFd,
  deviceNumber,
  nameBytes,
  type NodeStat,
  nodeTypes,
  seekTo,
  setLength,
  setTimesFd,
  statNode,
} from "../../kernel/fs-node.ts";
import { openFlags } from "../../kernel/openat2.ts";

/** Each level holds two descriptors, and a container may make levels without end. No program names a path this deep. */
const maxDepth = 2100;
const folderFlags = openFlags.read | openFlags.directory | openFlags.noFollow;
const quietFlags = openFlags.read | openFlags.noFollow | openFlags.nonBlock;
const self = nameBytes(".");

/**
 * Copies what is in one folder into another, both open as descriptors: owners, modes, times, extended attributes, hard
 * links, devices and holes. Only single names below descriptors are opened and no link is followed, so whoever changes
 * the source meanwhile leads nowhere else; what goes away meanwhile is left out. The target must be empty and nobody
 * else's. Blocks long, and needs a umask of 0: for a Worker. `stopped` is asked now and then; `quiet`: nobody changes
 * the source, so that a file may be opened without a look at what it is by now.
 */
export function copyNodes(
  sourceFd: number,
  targetFd: number,
  { stopped, quiet }: { stopped: () => boolean; quiet: boolean },
): void {
  new NodeCopy(targetFd, stopped, quiet).folder(sourceFd, targetFd, "", 0);
}

/** Gives the target folder owner, mode, times and extended attributes of the source folder. */
export function copyAttributes(sourceFd: number, targetFd: number): void {
  const stat = statNode(self, sourceFd);
  if (!stat) return;
  chownFd(targetFd, stat.uid, stat.gid);
  chmodFd(targetFd, stat.mode & 0o7777);
  copyXattrs(sourceFd, targetFd);
  setTimesFd(targetFd, stat.mtimeNs, stat.mtimeNs);
}

class NodeCopy {
  readonly #rootFd: number;
  readonly #stopped: () => boolean;
  readonly #quiet: boolean;
  /** Path in the target of what more than one name leads to. */
  readonly #firstName = new Map<string, string>();
  #reflinks = true;
  #seen = 0;

  constructor(rootFd: number, stopped: () => boolean, quiet: boolean) {
    this.#rootFd = rootFd;
    this.#stopped = stopped;
    this.#quiet = quiet;
  }

  folder(sourceFd: number, targetFd: number, path: string, depth: number): void {
    if (depth > maxDepth) throw new EngineError("invalid", `the tree is deeper than ${maxDepth} folders`);
    for (const entry of readdirSync(`/proc/self/fd/${sourceFd}`, { encoding: "buffer" })) {
      const text = Buffer.from(entry).toString("latin1");
      if (++this.#seen % 64 === 0 && this.#stopped()) throw new EngineError("cancelled", "the copy was cancelled");
      const name = nameBytes(text);
      const stat = statNode(name, sourceFd);
      if (stat) this.#node({ sourceFd, targetFd, name, stat, path: path === "" ? text : `${path}/${text}`, depth });
    }
    copyAttributes(sourceFd, targetFd);
  }

  #node(node: Node): void {
    const { targetFd, name, stat } = node;
    const type = stat.mode & nodeTypes.mask;
    if (type === nodeTypes.folder) return this.#subfolder(node);
    const key = stat.links > 1 ? `${stat.devMajor}:${stat.devMinor}:${stat.inode}` : undefined;
    const known = key === undefined ? undefined : this.#firstName.get(key);
    if (known !== undefined) {
      // too many links (EMLINK), or a path that is too long: a file of its own then
      if (tryLinkAt(this.#rootFd, nameBytes(known), targetFd, name) === 0) return;
    } else if (key !== undefined) this.#firstName.set(key, node.path);
    if (type === nodeTypes.file) return this.#file(node);
    if (type === nodeTypes.link) {
      const target = readLinkAt(node.sourceFd, name);
      if (target === undefined) return;
      refuse(trySymlinkAt(target, targetFd, name), "symlink", node.path);
    } else {
      const device = deviceNumber(stat.rdevMajor, stat.rdevMinor);
      refuse(tryMknodAt(targetFd, name, type | 0o600, device), "mknod", node.path);
    }
    chownAt(targetFd, name, stat.uid, stat.gid);
    if (type !== nodeTypes.link) chmodAt(targetFd, name, stat.mode & 0o7777);
    setTimesAt(targetFd, name, stat.mtimeNs);
  }

  #subfolder({ sourceFd, targetFd, name, path, depth }: Node): void {
    const from = tryOpenAt(sourceFd, name, folderFlags);
    if (from < 0) return gone(-from, path);
    try {
      refuse(tryMkdirAt(targetFd, name, 0o700), "mkdir", path);
      const to = tryOpenAt(targetFd, name, folderFlags);
      if (to < 0) throw failure("open", -to, path);
      try {
        this.folder(from, to, path, depth + 1);
      } finally {
        closeSync(to);
      }
    } finally {
      closeSync(from);
    }
  }

  #file({ sourceFd, targetFd, name, path, stat }: Node): void {
    const from = this.#quiet ? tryOpenAt(sourceFd, name, quietFlags) : openFile(sourceFd, name, path);
    if (from < 0) return this.#quiet ? gone(-from, path) : undefined;
    try {
      const mode = stat.mode & 0o7777;
      const to = tryOpenAt(targetFd, name, openFlags.write | openFlags.create | openFlags.exclusive, mode & 0o777);
      if (to < 0) throw failure("create", -to, path);
      try {
        if (stat.sizeBytes > 0) this.#content(from, to, stat, path);
        // new files are root's: folders get their owners, and set-group-id bits, when their content is there
        if (stat.uid !== 0 || stat.gid !== 0) chownFd(to, stat.uid, stat.gid);
        if (mode > 0o777) chmodFd(to, mode); // after the owner, which takes such bits away, and capabilities
        copyXattrs(from, to);
        setTimesFd(to, stat.mtimeNs, stat.mtimeNs);
      } finally {
        closeSync(to);
      }
    } finally {
      closeSync(from);
    }
  }

  #content(from: number, to: number, { sizeBytes, blocks }: NodeStat, path: string): void {
    if (this.#reflinks) {
      if (reflink(from, to)) return;
      this.#reflinks = false;
    }
    try {
      if (blocks * 512 >= sizeBytes) this.#range(from, to, sizeBytes);
      else this.#sparse(from, to, sizeBytes);
    } catch (error) {
      throw error instanceof SyscallError ? failure(error.call, error.errno, path) : error;
    }
  }

  #sparse(from: number, to: number, sizeBytes: number): void {
    for (let offset = seekFor(from, 0, 3); offset >= 0; offset = seekFor(from, offset, 3)) {
      const end = seekFor(from, offset, 4);
      seekTo(from, offset);
      seekTo(to, offset);
      this.#range(from, to, end - offset);
      offset = end;
    }
    setLength(to, sizeBytes);
  }

  #range(from: number, to: number, bytes: number): void {
    const chunk = 64 * 1024 * 1024; // about 50 ms, then whoever gave up is heard
    for (let left = bytes; left > 0;) {
      const moved = copyRange(from, to, Math.min(left, chunk));
      if (moved === 0) return; // shorter by now
      left -= moved;
      if (moved === chunk && this.#stopped()) throw new EngineError("cancelled", "the copy was cancelled");
    }
  }
}

interface Node {
  readonly sourceFd: number;
  readonly targetFd: number;
  readonly name: Buffer;
  readonly stat: NodeStat;
  /** Below the root, one character per byte. */
  readonly path: string;
  readonly depth: number;
}

/** Looked at before it is opened: somebody may put a device in its place, and to open one can be to act. */
function openFile(folderFd: number, name: Buffer, path: string): number {
  const place = tryOpenAt(folderFd, name, openFlags.path | openFlags.noFollow);
  if (place < 0) {
    gone(-place, path);
    return -1;
  }
  try {
    return fstatSync(place).isFile() ? openSync(`/proc/self/fd/${place}`, "r") : -1;
  } finally {
    closeSync(place);
  }
}

function copyXattrs(from: number, to: number): void {
  for (const [name, value] of readXattrs(from)) {
    // overlayfs' own marks mean something on its file systems alone
    if (name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.")) continue;
    const code = trySetXattr(to, name, value);
    if (code === 0 || code === 95 /* kept by no file system of that kind */) continue;
    if (code === 1 && name.startsWith("security.selinux")) continue; // no such module here
    throw failure(`setxattr ${name}`, code, "");
  }
}

/** ENOENT, ENOTDIR, ELOOP: it went away, or became something else, since it was listed. */
function gone(code: number, path: string): void {
  if (![2, 20, 40].includes(code)) throw failure("open", code, path);
}

function refuse(code: number, call: string, path: string): void {
  if (code !== 0) throw failure(call, code, path);
}

function failure(call: string, code: number, path: string): EngineError {
  const shown = Buffer.from(path, "latin1").toString("utf8");
  if (code === 28 || code === 122 /* EDQUOT */)
    return new EngineError("internal", `${call} /${shown}: no space left on device`, { path: shown, errno: code });
  return new EngineError("internal", new SyscallError(call, code, `/${shown}`).message, { path: shown, errno: code });
}
