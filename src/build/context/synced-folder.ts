import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { cstring, SyscallError } from "../../kernel/call.ts";
import { setTimes } from "../../kernel/fs-node.ts";
import { openFlags, openInRoot, openRoot, resolveFlags } from "../../kernel/openat2.ts";

/** One entry of a client's folder, in the client's words. */
export interface SyncedEntry {
  /** Below the folder, parts joined by `/`. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link";
  /** Permission bits. */
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  /** Of a link: where it leads. Of a file: the entry before it that is the same file; empty = none. */
  readonly target: string;
  /** What else tells a file from an earlier one of the same size and time: the client's inode and its change. */
  readonly identity?: string;
}

/** A folder where files of this one may be unpacked; what is not taken goes with it. */
export interface Incoming extends AsyncDisposable {
  readonly root: string;
  /** Puts the file of that path in its place. Throws `invalid` when it did not come, or is none. */
  take(path: string): void;
}

/** Takes the bytes of one file, in order. */
export interface FileWriter {
  write(bytes: Uint8Array): void;
  end(): void;
}

type Known = Map<string, string>;

/**
 * A copy of a client's folder: the client names all entries, and sends only files that are not here as named. Nobody
 * else writes below the folder, so that its own checks of the names are enough: every part above an entry is a folder
 * that this list has named.
 */
export class SyncedFolder {
  /** The files. */
  readonly root: string;
  /** Digests of the files from one build to the next. */
  readonly knownFile: string;
  readonly #listFile: string;
  readonly #before: Known;
  readonly #after: Known = new Map();
  readonly #folders = new Set([""]);
  /** Folders that no entry has named yet, made for what is in them. */
  readonly #implied = new Set<string>();
  readonly #folderTimes = new Map<string, bigint>();
  readonly #hardLinks: [path: string, target: string][] = [];
  /** Files whose content is on its way. */
  readonly #open = new Set<number>();
  /** Files whose content is wanted. */
  readonly #wanted = new Map<string, SyncedEntry>();
  #written = 0;
  #bytes = 0;

  /** `place` is a folder of this engine; what an earlier list left there is used again. */
  constructor(place: string) {
    this.root = join(place, "files");
    this.knownFile = join(place, "known.json");
    this.#listFile = join(place, "list.json");
    this.#before = readList(this.#listFile);
    // from here to finish() the list is not true: a crash in between means everything anew
    rmSync(this.#listFile, { force: true });
    if (this.#before.size === 0) rmSync(this.root, { recursive: true, force: true });
    mkdirSync(this.root, { recursive: true, mode: 0o755 });
  }

  /** How many bytes all named files have. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /**
   * Names the next entry; gives a writer for a file whose content has to come. Throws `invalid` for a name that leads
   * out of the folder, comes twice, or lies below what is no folder.
   */
  entry(entry: SyncedEntry): FileWriter | undefined {
    const { path } = entry;
    this.#checkName(path);
    const identity = identityOf(entry);
    const before = this.#before.get(path);
    const same = before === identity;
    this.#after.set(path, identity);
    const target = join(this.root, path);
    const wasFolder = before?.startsWith("folder ") === true;
    if (before !== undefined && !same && !(wasFolder && entry.kind === "folder"))
      rmSync(target, { recursive: true, force: true });
    switch (entry.kind) {
      case "folder":
        this.#folders.add(path);
        if (!same) mkdirSync(target, { recursive: true });
        if (!same) chmodSync(target, entry.mode);
        this.#folderTimes.set(target, entry.mtimeNs);
        return undefined;
      case "link":
        if (same) return undefined;
        symlinkSync(entry.target, target);
        setTimes(cstring(target), entry.mtimeNs, entry.mtimeNs);
        return undefined;
      case "file":
        this.#bytes += entry.sizeBytes;
        if (entry.target === "") return same ? undefined : this.#want(entry, target);
        if (!this.#after.get(entry.target)?.startsWith("file "))
          throw new EngineError(
            "invalid",
            `${path} is the same file as ${entry.target}, which was not named before it`,
          );
        this.#hardLinks.push([path, entry.target]);
        return undefined;
    }
  }

  /** All entries were named and all content came: what was not named goes. */
  finish(): void {
    for (const path of this.#before.keys()) {
      // what lay below something that is no folder now went with the folder; a link in its place must not be followed
      if (this.#after.has(path) || this.#belowOther(path)) continue;
      rmSync(join(this.root, path), { recursive: true, force: true });
    }
    for (const [path, target] of this.#hardLinks) {
      rmSync(join(this.root, path), { force: true });
      linkSync(join(this.root, target), join(this.root, path));
    }
    for (const [path, mtimeNs] of this.#folderTimes) setTimes(cstring(path), mtimeNs, mtimeNs);
    writeFileSync(`${this.#listFile}.new`, JSON.stringify([...this.#after]));
    renameSync(`${this.#listFile}.new`, this.#listFile);
  }

  /** Lets go of files whose content did not come to its end. */
  close(): void {
    for (const fd of this.#open) closeSync(fd);
    this.#open.clear();
  }

  #checkName(path: string): void {
    const bad = (why: string): EngineError =>
      new EngineError("invalid", `the context holds ${JSON.stringify(path)}: ${why}`, { path });
    const parts = path.split("/");
    if (parts.some((part) => part === "" || part === "." || part === "..") || path.includes("\0"))
      throw bad("a name that is none");
    if (this.#after.has(path) && !this.#implied.delete(path)) throw bad("it comes twice");
    for (const above of foldersAbove(path)) {
      if (this.#folders.has(above)) continue;
      if (this.#after.has(above)) throw bad(`${above} is no folder`);
      this.entry({ path: above, kind: "folder", mode: 0o755, sizeBytes: 0, mtimeNs: 0n, target: "" });
      this.#implied.add(above);
    }
  }

  #belowOther(path: string): boolean {
    return foldersAbove(path).some((above) => this.#after.has(above) && !this.#folders.has(above));
  }

  #want(entry: SyncedEntry, target: string): FileWriter {
    this.#wanted.set(entry.path, entry);
    const writer = lazy(() => this.#writer(entry, target));
    return { write: (bytes) => writer().write(bytes), end: () => writer().end() };
  }

  /** For files that come as one archive, instead of by their writers. */
  async incoming(): Promise<Incoming> {
    const root = join(dirname(this.root), "incoming");
    await rm(root, { recursive: true, force: true });
    mkdirSync(root, { mode: 0o700 });
    const rootFd = openRoot(root);
    return {
      root,
      take: (path) => this.#take(path, rootFd),
      [Symbol.asyncDispose]: async () => {
        closeSync(rootFd);
        await rm(root, { recursive: true, force: true });
      },
    };
  }

  #take(path: string, rootFd: number): void {
    const entry = this.#wanted.get(path);
    const slash = path.lastIndexOf("/");
    let folderFd = -1;
    try {
      folderFd = openInRoot(rootFd, path.slice(0, Math.max(0, slash)) || ".", {
        flags: openFlags.path | openFlags.directory,
        resolve: resolveFlags.beneath | resolveFlags.noSymlinks | resolveFlags.noMagicLinks,
      });
      const from = `/proc/self/fd/${folderFd}/${path.slice(slash + 1)}`;
      const stat = lstatSync(from, { throwIfNoEntry: false });
      if (!entry || !stat?.isFile() || stat.size !== entry.sizeBytes)
        throw new EngineError("invalid", `the context's ${path} was not sent`, { path });
      chmodSync(from, entry.mode);
      setTimes(cstring(from), entry.mtimeNs, entry.mtimeNs);
      renameSync(from, join(this.root, path));
      this.#wanted.delete(path);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw new EngineError("invalid", `the context's ${path} was not sent`, { path }, { cause: error });
    } finally {
      if (folderFd >= 0) closeSync(folderFd);
    }
  }

  #writer(entry: SyncedEntry, target: string): FileWriter {
    const temporary = join(dirname(this.root), `new-${++this.#written}`);
    const fd = openSync(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
      0o600,
    );
    this.#open.add(fd);
    const close = (): void => {
      if (this.#open.delete(fd)) closeSync(fd);
    };
    let left = entry.sizeBytes;
    return {
      write: (bytes) => {
        left -= bytes.length;
        if (left < 0) {
          close();
          throw new EngineError("invalid", `${entry.path} of the context is longer than it was said to be`);
        }
        for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      },
      end: () => {
        fchmodSync(fd, entry.mode);
        close();
        setTimes(cstring(temporary), entry.mtimeNs, entry.mtimeNs);
        renameSync(temporary, target);
        // it changed while it was sent: it is asked for again at the next time
        if (left > 0) this.#after.set(entry.path, "file changing");
      },
    };
  }
}

/** `a/b/c` gives `a`, `a/b`. */
function foldersAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) above.push(path.slice(0, at));
  return above;
}

function lazy<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}

const identityOf = ({ kind, mode, sizeBytes, mtimeNs, target, identity = "" }: SyncedEntry): string =>
  kind === "file"
    ? `file ${mode} ${sizeBytes} ${mtimeNs} ${identity} ${target}`
    : kind === "folder"
      ? `folder ${mode}`
      : `link ${target}`;

function readList(file: string): Known {
  try {
    const rows: unknown = JSON.parse(readFileSync(file, "utf8"));
    return new Map(Array.isArray(rows) ? (rows as [string, string][]) : []);
  } catch {
    return new Map(); // none yet, or a crash came between: everything anew
  }
}
