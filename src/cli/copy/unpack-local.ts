import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import type { Readable } from "node:stream";
import { extract, type Extract } from "tar-stream";

export interface UnpackOptions {
  /** Existing local folder. */
  readonly folder: string;
  readonly name: (entry: string) => string;
  /** Give files the owners of the archive (needs root). */
  readonly owners: boolean;
  readonly warn: (text: string) => void;
}

/**
 * Unpacks an archive that a container wrote, so one that may lie. Every part of a name is opened by the kernel with
 * O_NOFOLLOW beneath the folder's descriptor: neither `..` nor a link the archive brings can lead out of the folder.
 */
export async function unpackLocal(archive: Readable, options: UnpackOptions): Promise<void> {
  using root = new Folder(openSync(options.folder, constants.O_RDONLY | constants.O_DIRECTORY));
  const entries = extract();
  // one failure is told once: by the loop below
  const feeding = feed(archive, entries).catch((error: unknown) =>
    entries.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  const folderTimes: { parts: string[]; mtime: Date }[] = [];
  for await (const entry of entries) {
    const parts = partsOf(options.name(entry.header.name));
    await unpackEntry(root, parts, entry, options);
    if (entry.header.type === "directory" && entry.header.mtime !== undefined)
      folderTimes.push({ parts, mtime: entry.header.mtime });
    entry.resume();
  }
  await feeding;
  // last, for every new entry touches its folder
  for (const { parts, mtime } of folderTimes.reverse()) root.within(parts, (path) => lutimesSync(path, mtime, mtime));
}

type Entry = Extract extends AsyncIterable<infer Each> ? Each : never;

async function feed(archive: Readable, entries: Extract): Promise<void> {
  for await (const chunk of archive) {
    if (!entries.write(chunk)) await new Promise((resume) => entries.once("drain", () => resume(undefined)));
  }
  entries.end(undefined);
}

/** The parts of a name. Refuses those that climb. */
function partsOf(name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new Error(`invalid entry in the archive: "${name}" is outside of the destination`);
  if (name.includes("\0")) throw new Error("invalid entry in the archive: a name holds a NUL byte");
  return parts;
}

class Folder implements Disposable {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Runs `act` with a path whose last part is the last of `parts` in a folder held open; missing folders are made. */
  within<T>(parts: readonly string[], act: (path: string) => T): T {
    const folders = parts.slice(0, -1);
    const last = parts.at(-1) ?? ".";
    let at = this.#descriptor;
    try {
      for (const part of folders) {
        const next = openFolder(`/proc/self/fd/${at}/${part}`);
        if (at !== this.#descriptor) closeSync(at);
        at = next;
      }
      return act(`/proc/self/fd/${at}/${last}`);
    } finally {
      if (at !== this.#descriptor) closeSync(at);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

function openFolder(path: string): number {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    mkdirSync(path, 0o777);
    return openSync(path, flags);
  }
}

async function unpackEntry(
  root: Folder,
  parts: readonly string[],
  entry: Entry,
  { name, owners, warn }: UnpackOptions,
): Promise<void> {
  const { header } = entry;
  const mode = (header.mode ?? 0o644) & 0o7777;
  const mtime = header.mtime ?? new Date();
  const own = (path: string): void => {
    if (owners) lchownSync(path, header.uid ?? 0, header.gid ?? 0);
  };
  switch (header.type) {
    case "directory":
      root.within(parts, (path) => makeFolder(path, mode, own));
      return;
    case "file":
    case "contiguous-file": {
      const descriptor = root.within(parts, (path) => {
        clear(path);
        const opened = openSync(
          path,
          constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
          0o600,
        );
        own(path);
        return opened;
      });
      try {
        for await (const chunk of entry) writeAll(descriptor, chunk as Uint8Array);
        fchmodSync(descriptor, mode);
        futimesSync(descriptor, mtime, mtime);
      } finally {
        closeSync(descriptor);
      }
      return;
    }
    case "symlink":
      root.within(parts, (path) => {
        clear(path);
        symlinkSync(header.linkname ?? "", path);
        own(path);
        lutimesSync(path, mtime, mtime);
      });
      return;
    case "link":
      root.within(partsOf(name(header.linkname ?? "")), (target) => {
        root.within(parts, (path) => {
          clear(path);
          linkSync(target, path);
        });
      });
      return;
    default:
      warn(`skipped ${header.name}: cannot make a ${header.type ?? "file of unknown kind"} here`);
  }
}

function makeFolder(path: string, mode: number, own: (path: string) => void): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isDirectory()) throw new Error("cannot overwrite non-directory with directory");
  if (there === undefined) mkdirSync(path, 0o700);
  using held = new Descriptor(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  fchmodSync(held.number, mode);
  own(path);
}

/** Local files: a write blocks for a moment at most, and there is nothing else to do meanwhile. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
}

class Descriptor implements Disposable {
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  [Symbol.dispose](): void {
    closeSync(this.number);
  }
}

/** Makes room for a new file. A folder is never replaced by one: docker asks for the same. */
function clear(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (there.isDirectory()) throw new Error("cannot overwrite directory with non-directory");
  rmSync(path);
}
