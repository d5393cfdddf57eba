import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import {
  chmodFd,
  chmodPath,
  chownFd,
  chownPath,
  closeFd,
  deviceNumber,
  nameBytes,
  nodeTypes,
  seekTo,
  setLength,
  setTimes,
  setTimesFd,
  statNode,
  tryCreateFile,
  tryLink,
  tryMkdir,
  tryMknod,
  tryRenameInto,
  tryRmdir,
  trySymlink,
  tryUnlink,
  writeAll,
} from "../../kernel/fs-node.ts";
import { setXattr } from "../../kernel/xattr.ts";
import { removeTree } from "./remove-tree.ts";
import { badArchive } from "./tar-header.ts";
import { type ByteSource, type TarEntry, TarReader } from "./tar-reader.ts";

/** Ceilings against archives made to fill a machine. */
export interface ApplyLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export interface ApplyOptions {
  readonly source: ByteSource;
  readonly limits: ApplyLimits;
  /** `overlay`: whiteouts become what overlayfs reads; `none`: such names are refused; `literal`: they are files as others. */
  readonly whiteouts: "overlay" | "none" | "literal";
  /** Everything belongs to it, whatever the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Folder that is there, below which everything goes (`usr/src`, empty = the root itself); it stays as it is. */
  readonly prefix?: string;
  /** A folder is never replaced by something else, nor something else by a folder (`cp`). */
  readonly keepKinds?: boolean;
  /** Told what the archive held; files that a later member replaces are moved to `keptFd`, named by their number. */
  readonly split?: {
    raw(bytes: Uint8Array): void;
    file(path: string, sizeBytes: number): void;
    readonly keptFd: number;
  };
}

export interface Applied {
  /** Sum of the files' lengths. */
  readonly sizeBytes: number;
  readonly entries: number;
  /** Content went that was reached by different paths: the tar cannot be made again from the files. */
  readonly irregular: boolean;
  /** The archive has an entry for the root folder itself. */
  readonly namesRoot: boolean;
}

const [EEXIST, ENOENT, ENOTDIR, EPERM] = [17, 2, 20, 1];

/**
 * Unpacks an archive into this thread's root, which must be the target folder (ThreadRoot): whatever names and links
 * it holds, the kernel keeps them inside. Members may come in any order and more than once; the last one stays.
 */
export function applyTar(options: ApplyOptions): Applied {
  return new Applier(options).run();
}

class Applier {
  readonly #options: ApplyOptions;
  readonly #reader: TarReader;
  readonly #folderTimes = new Map<string, bigint>();
  /** Folders known to be there as folders of this layer, so that their parents need no look. */
  readonly #folders = new Set<string>([""]);
  /** Paths whose content is recorded by reference, with the number of the record. */
  readonly #recorded = new Map<string, number>();
  #records = 0;
  #sizeBytes = 0;
  #entries = 0;
  #irregular = false;
  #namesRoot = false;

  constructor(options: ApplyOptions) {
    this.#options = options;
    this.#reader = new TarReader(options.source, options.split);
  }

  run(): Applied {
    for (let read = this.#reader.next(); read; read = this.#reader.next()) {
      const entry = this.#options.owner ? { ...read, ...this.#options.owner } : read;
      if (++this.#entries > this.#options.limits.maxEntries)
        throw badArchive(`more than ${this.#options.limits.maxEntries} members`);
      // moby parity: an image's size counts the text of links too
      this.#sizeBytes += entry.type === "symlink" ? entry.linkName.length : entry.sizeBytes;
      if (this.#sizeBytes > this.#options.limits.maxBytes)
        throw badArchive(`more than ${this.#options.limits.maxBytes} bytes of files`);
      this.#apply(entry);
    }
    // children change their folder's time: folders come last, deepest first
    for (const [path, mtimeNs] of [...this.#folderTimes].reverse()) {
      const name = nameBytes(path || ".");
      const node = statNode(name);
      if (node && (node.mode & nodeTypes.mask) === nodeTypes.folder) setTimes(name, mtimeNs, mtimeNs);
    }
    return {
      sizeBytes: this.#sizeBytes,
      entries: this.#entries,
      irregular: this.#irregular,
      namesRoot: this.#namesRoot,
    };
  }

  #apply(entry: TarEntry): void {
    const own = cleanPath(entry.name, "invalid path");
    const path = this.#below(own);
    const slash = path.lastIndexOf("/");
    const parent = slash < 0 ? "" : path.slice(0, slash);
    const base = path.slice(slash + 1);
    if (base.startsWith(".wh.") && this.#options.whiteouts !== "literal") {
      if (this.#options.whiteouts === "none") throw badArchive(`${path} is a whiteout, which a file tree cannot hold`);
      this.#parents(parent);
      return this.#whiteout(parent, base);
    }
    if (own === "" && this.#options.prefix !== undefined) return;
    if (path === "") {
      this.#namesRoot = true;
      return this.#folder(entry, "");
    }
    this.#parents(parent);
    if (this.#options.keepKinds) this.#checkKind(entry, path);
    switch (entry.type) {
      case "file":
        return this.#file(entry, path);
      case "folder":
        return this.#folder(entry, path);
      case "symlink":
        return this.#node(entry, path, (name) => trySymlink(nameBytes(entry.linkName), name));
      case "link":
        return this.#link(entry, path);
      case "fifo":
        return this.#node(entry, path, (name) => tryMknod(name, nodeTypes.fifo | (entry.mode & 0o7777), 0n));
      case "character":
      case "block": {
        const type = entry.type === "block" ? nodeTypes.block : nodeTypes.character;
        const device = deviceNumber(entry.devMajor, entry.devMinor);
        return this.#node(entry, path, (name) => tryMknod(name, type | (entry.mode & 0o7777), device));
      }
    }
  }

  #below(path: string): string {
    const { prefix } = this.#options;
    return prefix === undefined || prefix === "" ? path : path === "" ? prefix : `${prefix}/${path}`;
  }

  /** Makes missing parents; archives of some tools leave them out. */
  #parents(parent: string): void {
    if (this.#folders.has(parent)) return;
    let made = "";
    for (const part of parent.split("/")) {
      made = made === "" ? part : `${made}/${part}`;
      if (this.#folders.has(made)) continue;
      const code = tryMkdir(nameBytes(made), 0o755);
      if (code !== 0 && code !== EEXIST) throw failure("mkdir", code, made);
      if (code === 0) this.#folders.add(made);
      // what exists may be a link to a folder: then the next step finds out, inside this root
    }
  }

  #checkKind(entry: TarEntry, path: string): void {
    const there = statNode(nameBytes(path));
    if (!there) return;
    const isFolder = (there.mode & nodeTypes.mask) === nodeTypes.folder;
    if (isFolder === (entry.type === "folder")) return;
    throw new EngineError(
      "invalid",
      isFolder
        ? `cannot overwrite directory "/${path}" with non-directory`
        : `cannot overwrite non-directory "/${path}" with directory`,
      { path },
    );
  }

  #file(entry: TarEntry, path: string): void {
    const name = nameBytes(path);
    const fd =
      this.#make(path, name, () => {
        const made = tryCreateFile(name);
        return made < 0 ? made : made + 1;
      }) - 1;
    try {
      if (entry.sparse) this.#sparse(fd, entry);
      else {
        const byReference = this.#options.split !== undefined && entry.storedBytes > 0;
        for (let bytes = this.#reader.content(byReference); bytes; bytes = this.#reader.content(byReference))
          writeFile(fd, bytes, path);
        if (byReference) {
          this.#options.split?.file(path, entry.storedBytes);
          this.#recorded.set(path, this.#records++);
        }
      }
      chownFd(fd, entry.uid, entry.gid);
      chmodFd(fd, entry.mode & 0o7777);
      this.#xattrs(entry, name);
      setTimesFd(fd, entry.mtimeNs, entry.mtimeNs);
    } finally {
      closeFd(fd);
    }
  }

  #sparse(fd: number, entry: TarEntry): void {
    for (const part of entry.sparse ?? []) {
      seekTo(fd, part.offset);
      let left = part.length;
      while (left > 0) {
        const bytes = this.#reader.content(false, left);
        if (!bytes) throw badArchive("invalid sparse map");
        writeFile(fd, bytes, entry.name);
        left -= bytes.length;
      }
    }
    setLength(fd, entry.sizeBytes);
  }

  #folder(entry: TarEntry, path: string): void {
    const name = nameBytes(path || ".");
    let code = path === "" ? EEXIST : tryMkdir(name, 0o700);
    if (code === EEXIST && path !== "") {
      const there = statNode(name);
      if (there && (there.mode & nodeTypes.mask) !== nodeTypes.folder) {
        this.#clear(path, name);
        code = tryMkdir(name, 0o700);
        // a whiteout and then the folder: nothing of the lower one shines through
        if (code === 0 && isWhiteout(there)) setXattr(name, "trusted.overlay.opaque", Buffer.from("y"));
      } else code = 0;
    } else if (code === EEXIST) code = 0;
    if (code !== 0) throw failure("mkdir", code, path);
    chownPath(name, entry.uid, entry.gid);
    chmodPath(name, entry.mode & 0o7777);
    this.#xattrs(entry, name);
    this.#folders.add(path);
    this.#folderTimes.delete(path);
    this.#folderTimes.set(path, entry.mtimeNs);
  }

  #link(entry: TarEntry, path: string): void {
    const from = this.#below(cleanPath(entry.linkName, "invalid hard link"));
    const name = nameBytes(path);
    const source = nameBytes(from);
    if (from === path) return;
    this.#make(path, name, () => -tryLink(source, name), `link to ${from}`);
  }

  #node(entry: TarEntry, path: string, make: (name: Buffer) => number): void {
    const name = nameBytes(path);
    this.#make(path, name, () => -make(name));
    chownPath(name, entry.uid, entry.gid);
    if (entry.type !== "symlink") chmodPath(name, entry.mode & 0o7777);
    this.#xattrs(entry, name);
    setTimes(name, entry.mtimeNs, entry.mtimeNs);
  }

  /** Runs `make`, which gives a result >= 0 or -errno; clears the place first when something is there. */
  #make(path: string, name: Buffer, make: () => number, what = path): number {
    let result = make();
    if (result === -EEXIST) {
      this.#clear(path, name);
      result = make();
    }
    if (result < 0) throw failure("create", -result, what);
    return result;
  }

  #clear(path: string, name: Buffer): void {
    if (this.#options.split) this.#keepRecorded(path, name, this.#options.split.keptFd);
    const code = tryUnlink(name);
    if (code === 0 || code === ENOENT) return;
    if (tryRmdir(name) !== 0) removeTree(name);
    for (const folder of this.#folders)
      if (folder === path || folder.startsWith(`${path}/`)) this.#folders.delete(folder);
  }

  /** Moves recorded content at or below a path out of the tree, before the path goes. */
  #keepRecorded(path: string, name: Buffer, keptFd: number): void {
    const there = statNode(name);
    const hasContent = there && (there.mode & nodeTypes.mask) === nodeTypes.file && there.sizeBytes > 0;
    // content reached by another path than the recorded one, through a link
    if (hasContent && !this.#recorded.has(path)) this.#irregular = true;
    for (const [recorded, number] of this.#recorded) {
      if (recorded !== path && !recorded.startsWith(`${path}/`)) continue;
      this.#recorded.delete(recorded);
      if (tryRenameInto(nameBytes(recorded), keptFd, nameBytes(String(number))) !== 0) this.#irregular = true;
    }
  }

  /** OCI image-spec, "Whiteouts", as overlayfs stores them. They speak of lower layers only. */
  #whiteout(parent: string, base: string): void {
    const folder = nameBytes(parent || ".");
    if (base === ".wh..wh..opq") return setXattr(folder, "trusted.overlay.opaque", Buffer.from("y"));
    if (base.startsWith(".wh..wh.")) return; // aufs' own files
    const hidden = base.slice(4);
    if (hidden === "" || hidden === "." || hidden === "..") throw badArchive(`invalid whiteout ${base}`);
    const path = parent === "" ? hidden : `${parent}/${hidden}`;
    const name = nameBytes(path);
    const code = tryMknod(name, nodeTypes.character, 0n);
    if (code === 0) return;
    if (code !== EEXIST) throw failure("mknod", code, path);
    const there = statNode(name);
    if (there && (there.mode & nodeTypes.mask) === nodeTypes.folder)
      setXattr(name, "trusted.overlay.opaque", Buffer.from("y"));
  }

  #xattrs(entry: TarEntry, name: Buffer): void {
    for (const [key, value] of entry.xattrs) {
      // overlayfs' own marks would let an archive redirect folders of other layers
      if (key.startsWith("trusted.overlay.") || key.startsWith("user.overlay.")) continue;
      try {
        setXattr(name, key, value);
      } catch (error) {
        // as Docker: a file system or namespace that keeps no such attribute is no reason to refuse the image
        if (
          !(error instanceof SyscallError) ||
          (error.errno !== 95 && !(error.errno === EPERM && key.startsWith("user.")))
        )
          throw error;
      }
    }
  }
}

const isWhiteout = (node: { mode: number; rdevMajor: number; rdevMinor: number }): boolean =>
  (node.mode & nodeTypes.mask) === nodeTypes.character && node.rdevMajor === 0 && node.rdevMinor === 0;

function writeFile(fd: number, bytes: Uint8Array, path: string): void {
  try {
    writeAll(fd, bytes);
  } catch (error) {
    if (error instanceof SyscallError) throw failure("write", error.errno, path);
    throw error;
  }
}

function failure(call: string, code: number, path: string): EngineError {
  const shown = Buffer.from(path, "latin1").toString("utf8");
  if (code === 28 || code === 122)
    return new EngineError("internal", `${call} /${shown}: no space left on device`, { path: shown, errno: code });
  if (code === ENOENT || code === ENOTDIR) return badArchive(`${call} /${shown}: no such file or directory`);
  return new EngineError("invalid", new SyscallError(call, code, `/${shown}`).message, { path: shown, errno: code });
}

/** The path below the root, without `.` and `..`. Throws for one that would leave the root. */
function cleanPath(name: string, what: string): string {
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined)
      throw badArchive(`${what} "${Buffer.from(name, "latin1").toString("utf8")}" leads out of the archive`);
  }
  return parts.join("/");
}
