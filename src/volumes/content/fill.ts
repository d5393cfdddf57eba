import { closeSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fault } from "../../base/fault.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { VolumeBooks } from "../books.ts";
import { hasContent, openFolder } from "./replace.ts";

/**
 * First use: fills an empty volume with what a container's root file system has in the folder `source`. The kernel
 * resolves `source` inside the root: links of an image cannot lead out. Nothing happens when there is no such folder.
 *
 * Containers that have the volume already may change it meanwhile. So the copy is made in a folder that nobody else
 * sees, and what is whole is then moved by rename(2), which follows no link. A copy that was cut is made again.
 */
export async function fillVolume(books: VolumeBooks, name: string, rootfs: string, source: string): Promise<void> {
  const volume = books.get(name);
  const needed = async (): Promise<boolean> => books.filling.has(name) || !(await hasContent(volume.mountpoint));
  if (!(await needed())) return;
  using _ = await books.lock(name);
  if (!(await needed())) return;
  const driver = await books.driverOf(volume);
  const beside = driver.beside(books.place(volume));
  // in the root of a mount the draft is seen, so nobody else may be there while it is filled
  if (beside === undefined && books.active.containers(name).length > 1) return;
  const folder = openSource(rootfs, source);
  if (folder === undefined) return;
  try {
    books.filling.add(name);
    books.table.filling(name, true);
    fault("volume.populate.row");
    await copyAndMove(books, {
      folder,
      target: volume.mountpoint,
      draft: join(beside ?? volume.mountpoint, ".filling"),
    });
    fault("volume.populate.copied");
    books.filling.delete(name);
    books.table.filling(name, false);
  } finally {
    closeSync(folder);
  }
}

async function copyAndMove(
  { copier }: VolumeBooks,
  { folder, target, draft }: { folder: number; target: string; draft: string },
): Promise<void> {
  await rm(draft, { recursive: true, force: true }); // of a copy that was cut
  await mkdir(draft, { mode: 0o700 });
  const draftFd = openFolder(draft);
  const targetFd = openFolder(target);
  try {
    await copier.tree(folder, draftFd, { quiet: true }); // the container does not run yet
    for (const name of await readdir(draft, { encoding: "buffer" })) await move(name, draft, target);
    await copier.attributes(folder, targetFd);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  } finally {
    closeSync(targetFd);
    closeSync(draftFd);
  }
  await rm(draft, { recursive: true, force: true });
}

async function move(name: Buffer, from: string, to: string): Promise<void> {
  const path = (folder: string): Buffer => Buffer.concat([Buffer.from(`${folder}/`), name]);
  try {
    await rename(path(from), path(to));
  } catch (error) {
    // already there: moved before a cut, or a container made it meanwhile
    if (!["EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR"].includes(codeOf(error))) throw error;
    await rm(path(from), { recursive: true, force: true });
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

/** A folder inside a root file system; undefined when there is none. */
function openSource(rootfs: string, source: string): number | undefined {
  const root = openRoot(rootfs);
  try {
    return openInRoot(root, source, { flags: openFlags.read | openFlags.directory });
  } catch (error) {
    if (error instanceof SyscallError && ["ENOENT", "ENOTDIR", "ELOOP"].includes(error.code)) return undefined;
    throw error;
  } finally {
    closeSync(root);
  }
}
