import { createReadStream, type Stats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack, type Pack } from "tar-stream";
import { openFailure } from "../values/env-file.ts";

export interface PackOptions {
  /** Folder that holds the entry. */
  readonly folder: string;
  /** The entry; `.` is the folder's content. */
  readonly base: string;
  /** Entry's name in the archive. */
  readonly name: (path: string) => string;
}

/** A tar archive of a local file or tree, written as it is read. */
export function packLocal({ folder, base, name }: PackOptions): Readable {
  const archive = pack();
  const links = new Map<string, string>();
  addTree(archive, { folder, name, links }, base).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return Readable.from(archive, { objectMode: false });
}

type Header = Parameters<Pack["entry"]>[0];

interface Tree {
  readonly folder: string;
  readonly name: (path: string) => string;
  /** inode -> name of the first entry with it, for hard links. */
  readonly links: Map<string, string>;
}

async function addTree(archive: Pack, tree: Tree, path: string): Promise<void> {
  const full = join(tree.folder, path);
  const stat = await lstat(full).catch((error: unknown) => {
    throw new Error(`lstat ${full}: ${openFailure(error)}`, { cause: error });
  });
  // sockets cannot be archived; docker leaves them out too
  if (stat.isSocket()) return;
  await addEntry(archive, tree, path, stat);
  if (!stat.isDirectory()) return;
  for (const child of (await readdir(full)).sort())
    await addTree(archive, tree, path === "." ? `./${child}` : `${path}/${child}`);
}

async function addEntry(archive: Pack, tree: Tree, path: string, stat: Stats): Promise<void> {
  const full = join(tree.folder, path);
  const name = tree.name(path);
  const header: Header = { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime };
  if (stat.isDirectory()) return entry(archive, { ...header, name: `${name}/`, type: "directory" });
  if (stat.isSymbolicLink()) return entry(archive, { ...header, type: "symlink", linkname: await readlink(full) });
  if (stat.isFIFO()) return entry(archive, { ...header, type: "fifo" });
  if (!stat.isFile())
    return entry(archive, {
      ...header,
      type: stat.isBlockDevice() ? "block-device" : "character-device",
      devmajor: stat.rdev >> 8,
      devminor: stat.rdev & 0xff,
    });
  const inode = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 ? tree.links.get(inode) : undefined;
  if (first !== undefined) return entry(archive, { ...header, type: "link", linkname: first });
  if (stat.nlink > 1) tree.links.set(inode, name);
  await addFile(archive, header, full, stat.size);
}

const entry = (archive: Pack, header: Header): Promise<void> =>
  new Promise((resolve, reject) => {
    archive.entry(header, (error) => (error ? reject(error) : resolve()));
  });

/** A file may grow or shrink while it is read: exactly the size promised in the header is written. */
async function addFile(archive: Pack, header: Header, path: string, size: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const sink = archive.entry({ ...header, size }, (error) => (error ? reject(error) : resolve()));
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1 })) {
      if (!sink.write(chunk)) await new Promise((resume) => sink.once("drain", () => resume(undefined)));
    }
  }
  sink.end(undefined);
  await promise;
}
