import { closeSync, constants, copyFileSync, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import {
  chmodPath,
  chownPath,
  deviceNumber,
  nameBytes,
  type NodeStat,
  nodeTypes,
  setTimes,
  statNode,
  tryLink,
  tryMkdir,
  tryMknod,
  trySymlink,
  tryUnlink,
} from "../../kernel/fs-node.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import { setXattr } from "../../kernel/xattr.ts";
import { applyMode, type ModeChange, readMode } from "./mode.ts";
import { excluder, selectSources, type Selection } from "./select.ts";
import { followed } from "./digest-tree.ts";
import {
  fsPathAt,
  keptXattrs,
  linkTarget,
  pathAt,
  type SourceNode,
  toBytes,
  toText,
  tryOpen,
  walkBelow,
} from "./source-tree.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface CopyRequest extends Selection {
  readonly source: string;
  /** Root of the tree that is changed. */
  readonly destinationRoot: string;
  /** Absolute in it; ends in a slash when it must be a folder. */
  readonly destination: string;
  /** null = as the sources have it. */
  readonly owner: Owner | null;
  /** Octal or `u+x`; empty = as the sources have it. */
  readonly mode: string;
  /** ADD: archives are not copied but told. */
  readonly tellArchives: boolean;
}

/** An archive to be unpacked, and the folder (which is there) to unpack it into. */
export interface FoundArchive {
  /** Path below the source's root. */
  readonly path: string;
  /** Path below the destination's root, and where it would be copied if it is no archive. */
  readonly folder: string;
}

/** Copies what is selected. Throws `invalid` with the paths. Nothing is undone: the caller drops the tree. */
export function copySelection(request: CopyRequest): { archives: FoundArchive[] } {
  const sourceFd = openRoot(request.source);
  const rootFd = openRoot(request.destinationRoot);
  try {
    return new Copier(request, sourceFd, rootFd).run();
  } finally {
    closeSync(sourceFd);
    closeSync(rootFd);
  }
}

class Copier {
  readonly #request: CopyRequest;
  readonly #sourceFd: number;
  readonly #rootFd: number;
  readonly #mode: ModeChange | undefined;
  /** Files with several names, by inode: folder and name of the first one. */
  readonly #links = new Map<bigint, string>();
  readonly #archives: FoundArchive[] = [];

  constructor(request: CopyRequest, sourceFd: number, rootFd: number) {
    this.#request = request;
    this.#sourceFd = sourceFd;
    this.#rootFd = rootFd;
    this.#mode = request.mode === "" ? undefined : readMode(request.mode);
  }

  run(): { archives: FoundArchive[] } {
    const { destination, parents } = this.#request;
    const matches = selectSources(this.#sourceFd, this.#request);
    const target = toBytes(destination).replace(/^\/+/, "").replace(/\/+$/, "");
    const several = matches.length > 1 || this.#request.patterns.length > 1 || parents;
    const existing = tryOpen(this.#rootFd, target);
    const isFolder = existing !== undefined && fstatSync(existing).isDirectory();
    if (existing !== undefined) closeSync(existing);
    const intoFolder = destination.endsWith("/") || several || isFolder;
    for (const match of matches) {
      const { path, goesTo } = match;
      if (match.isFolder) {
        const into = goesTo === "" ? target : `${target}/${goesTo}`;
        if (existing !== undefined && !isFolder)
          throw new EngineError("invalid", `cannot copy to non-directory: /${toText(target)}`);
        this.#copyFolder(path, into);
        continue;
      }
      const to = intoFolder ? (target === "" ? goesTo : `${target}/${goesTo}`) : target;
      if (this.#request.tellArchives && looksPacked(this.#sourceFd, path)) {
        closeSync(ensureFolder(this.#rootFd, target, this.#request.owner));
        this.#archives.push({ path: toText(path), folder: toText(target) });
        continue;
      }
      this.#copyFile(path, to);
    }
    if (matches.length === 0 && destination.endsWith("/"))
      closeSync(ensureFolder(this.#rootFd, target, this.#request.owner));
    return { archives: this.#archives };
  }

  #copyFile(path: string, to: string): void {
    const node = followed(this.#sourceFd, path);
    if (!node) throw new EngineError("not-found", `"/${toText(path)}": not found`, { path: toText(path) });
    const slash = to.lastIndexOf("/");
    const folderFd = ensureFolder(this.#rootFd, to.slice(0, Math.max(0, slash)), this.#request.owner);
    try {
      // the last part of the destination is followed, too, when it is a link
      const name = to.slice(slash + 1);
      const there = statNode(nameBytes(name), folderFd);
      if (there && (there.mode & nodeTypes.mask) === nodeTypes.link) {
        const linked = tryOpen(this.#rootFd, to);
        if (linked !== undefined && fstatSync(linked).isDirectory()) {
          this.#put(node, linked, path.slice(path.lastIndexOf("/") + 1), to);
          closeSync(linked);
          return;
        }
        if (linked !== undefined) closeSync(linked);
      }
      this.#put(node, folderFd, name, to);
    } finally {
      closeSync(folderFd);
      closeSync(node.folderFd);
    }
  }

  #copyFolder(path: string, to: string): void {
    const { owner, excludes } = this.#request;
    const folder = tryOpen(this.#sourceFd, path, openFlags.path | openFlags.directory);
    if (folder === undefined) return;
    const excluded = excluder(excludes);
    const targetFd = this.#makeTop(to, fstatSync(folder), folder, owner);
    const open: { path: string; fd: number }[] = [{ path: "", fd: targetFd }];
    const times: { fd: number; stat: NodeStat }[] = [];
    const leave = (until: string): void => {
      for (
        let top = open.at(-1);
        top && top.path !== "" && !`${until}/`.startsWith(`${top.path}/`);
        top = open.at(-1)
      ) {
        const time = times.pop();
        if (time) setTimes(nameBytes(`/proc/self/fd/${time.fd}/.`), time.stat.mtimeNs, time.stat.mtimeNs);
        closeSync(top.fd);
        open.pop();
      }
    };
    try {
      walkBelow(folder, (node) => {
        const slash = node.path.lastIndexOf("/");
        leave(slash < 0 ? "" : node.path.slice(0, slash));
        if (excluded(node.path)) return false;
        const parent = open.at(-1);
        if (!parent) return false;
        if ((node.stat.mode & nodeTypes.mask) !== nodeTypes.folder) {
          this.#put(node, parent.fd, node.name, node.path);
          return false;
        }
        const fd = this.#makeFolder(node, parent.fd);
        open.push({ path: node.path, fd });
        times.push({ fd, stat: node.stat });
        return true;
      });
      leave("");
    } finally {
      for (const { fd } of open) closeSync(fd);
      closeSync(folder);
    }
  }

  /** The destination of a folder's content: made as the source is, left as it is when it is there. */
  #makeTop(
    to: string,
    stat: { mode: number; uid: number; gid: number; mtimeMs: number },
    sourceFd: number,
    owner: Owner | null,
  ): number {
    const before = tryOpen(this.#rootFd, to, openFlags.path | openFlags.directory);
    if (before !== undefined) return before;
    const there = tryOpen(this.#rootFd, to);
    if (there !== undefined) {
      closeSync(there);
      throw new EngineError("invalid", `cannot copy to non-directory: /${toText(to)}`);
    }
    const slash = to.lastIndexOf("/");
    const parentFd = ensureFolder(this.#rootFd, to.slice(0, Math.max(0, slash)), owner);
    try {
      const own = statNode(nameBytes(`/proc/self/fd/${sourceFd}/.`));
      const name = to.slice(slash + 1);
      if (!own) throw new EngineError("internal", "the source went away");
      return this.#makeFolder({ path: to, folderFd: sourceFd, name: ".", stat: own }, parentFd, name);
    } finally {
      closeSync(parentFd);
    }
  }

  #makeFolder(node: SourceNode, parentFd: number, name = node.name): number {
    const code = tryMkdir(pathAt(parentFd, name), 0o700);
    if (code === 17) {
      const there = statNode(nameBytes(name), parentFd);
      if (there && (there.mode & nodeTypes.mask) === nodeTypes.link) {
        // a link to a folder is that folder
        const rootPath = toBytes(this.#request.destination).replace(/^\/+/, "");
        const linked = tryOpen(this.#rootFd, `${rootPath}/${node.path}`, openFlags.path | openFlags.directory);
        if (linked !== undefined) return linked;
      }
      if (there && (there.mode & nodeTypes.mask) !== nodeTypes.folder)
        throw new EngineError("invalid", `cannot copy to non-directory: /${toText(node.path)}`);
    } else if (code !== 0) throw failure("mkdir", code, node.path);
    const fd = openInRoot(parentFd, nameBytes(name), { flags: openFlags.path | openFlags.directory });
    this.#dress(node, pathAt(parentFd, name));
    return fd;
  }

  /** Puts a file, link or device into a folder; what is there under the name goes. */
  #put(node: SourceNode, folderFd: number, name: string, shown: string): void {
    const target = pathAt(folderFd, name);
    const there = statNode(nameBytes(name), folderFd);
    if (there && (there.mode & nodeTypes.mask) === nodeTypes.folder)
      throw new EngineError("invalid", `cannot replace to directory /${toText(shown)} with file`);
    if (there) tryUnlink(target);
    const { stat } = node;
    const type = stat.mode & nodeTypes.mask;
    const first = stat.links > 1 && type !== nodeTypes.folder ? this.#links.get(stat.inode) : undefined;
    if (first !== undefined && tryLink(nameBytes(first), target) === 0) return;
    switch (type) {
      case nodeTypes.file:
        copyContent(fsPathAt(node.folderFd, node.name), fsPathAt(folderFd, name), shown);
        break;
      case nodeTypes.link:
        check(trySymlink(nameBytes(linkTarget(node)), target), "symlink", shown);
        break;
      case nodeTypes.socket:
        return; // no archive can hold one
      default:
        check(tryMknod(target, stat.mode, deviceNumber(stat.rdevMajor, stat.rdevMinor)), "mknod", shown);
    }
    this.#dress(node, target);
    setTimes(target, stat.mtimeNs, stat.mtimeNs);
    if (stat.links > 1) this.#links.set(stat.inode, this.#hostPath(folderFd, name));
  }

  /** A path that stays right when the folder's descriptor is closed. */
  #hostPath(folderFd: number, name: string): string {
    return `${readlinkSync(`/proc/self/fd/${folderFd}`, { encoding: "buffer" }).toString("latin1")}/${name}`;
  }

  #dress(node: SourceNode, target: Buffer): void {
    const { stat } = node;
    const type = stat.mode & nodeTypes.mask;
    const { uid, gid } = this.#request.owner ?? stat;
    chownPath(target, uid, gid);
    if (type === nodeTypes.link) return;
    const mode = stat.mode & 0o7777;
    chmodPath(target, this.#mode ? applyMode(this.#mode, mode, type === nodeTypes.folder) : mode);
    if (type !== nodeTypes.file && type !== nodeTypes.folder) return;
    for (const [key, value] of keptXattrs(pathAt(node.folderFd, node.name))) setXattr(target, key, value);
  }
}

/**
 * Opens a folder of the tree, making what is missing (0755, of `owner`). Links on the way are followed inside the
 * root. The caller closes it.
 */
export function ensureFolder(rootFd: number, path: string, owner: Owner | null): number {
  const found = tryOpen(rootFd, path, openFlags.path | openFlags.directory);
  if (found !== undefined) return found;
  const slash = path.lastIndexOf("/");
  const parentFd = ensureFolder(rootFd, path.slice(0, Math.max(0, slash)), owner);
  const name = path.slice(slash + 1);
  try {
    const target = pathAt(parentFd, name);
    const code = tryMkdir(target, 0o755);
    if (code === 17) {
      const there = statNode(nameBytes(name), parentFd);
      const dangling = there && (there.mode & nodeTypes.mask) === nodeTypes.link;
      if (dangling) {
        const to = linkTarget({ folderFd: parentFd, name });
        return ensureFolder(
          rootFd,
          to.startsWith("/") ? to.slice(1) : `${path.slice(0, Math.max(0, slash))}/${to}`,
          owner,
        );
      }
      throw new EngineError("invalid", `cannot copy to non-directory: /${toText(path)}`);
    }
    check(code, "mkdir", path);
    chmodPath(target, 0o755); // whatever this thread's umask is
    if (owner) chownPath(target, owner.uid, owner.gid);
  } finally {
    closeSync(parentFd);
  }
  const made = tryOpen(rootFd, path, openFlags.path | openFlags.directory);
  if (made === undefined) throw new EngineError("internal", `cannot make folder /${toText(path)}`);
  return made;
}

function copyContent(from: Buffer, to: Buffer, shown: string): void {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new EngineError("internal", `write /${toText(shown)}: no space left on device`, { path: toText(shown) });
    throw error;
  }
}

function check(code: number, call: string, path: string): void {
  if (code !== 0) throw failure(call, code, path);
}

function failure(call: string, code: number, path: string): EngineError {
  if (code === 28 || code === 122)
    return new EngineError("internal", `${call} /${toText(path)}: no space left on device`, { path: toText(path) });
  return new EngineError("invalid", new SyscallError(call, code, `/${toText(path)}`).message, { path: toText(path) });
}

/** A regular file whose first bytes are those of a tar or of something packed. */
function looksPacked(rootFd: number, path: string): boolean {
  const node = followed(rootFd, path);
  if (!node) return false;
  try {
    if ((node.stat.mode & nodeTypes.mask) !== nodeTypes.file) return false;
    const fd = openSync(fsPathAt(node.folderFd, node.name), "r");
    try {
      const head = Buffer.alloc(512);
      const got = readSync(fd, head, 0, 512, 0);
      const starts = (...bytes: number[]): boolean => bytes.every((byte, index) => head[index] === byte);
      if (starts(0x1f, 0x8b) || starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return true;
      if (starts(0x28, 0xb5, 0x2f, 0xfd)) return true;
      return got === 512 && head.toString("latin1", 257, 262) === "ustar";
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(node.folderFd);
  }
}

/** Makes a folder of the tree with all above it; one that is there stays as it is. */
export function makeFolder(root: string, path: string, owner: Owner | null): void {
  const rootFd = openRoot(root);
  try {
    closeSync(ensureFolder(rootFd, toBytes(path).replace(/^\/+/, "").replace(/\/+$/, ""), owner));
  } finally {
    closeSync(rootFd);
  }
}
