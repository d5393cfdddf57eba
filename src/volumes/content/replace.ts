import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { newId } from "../../base/id.ts";
import { exchangePaths } from "../../kernel/exchange.ts";
import { draftPrefix, type VolumeBooks } from "../books.ts";
import { erase, setAside } from "../erase.ts";
import { openContent } from "../mount.ts";
import type { Volume } from "../volume.ts";

/** In a volume that is the root of a mount: what is being made there. */
const innerDraft = ".berth-draft";

/**
 * Gives a volume new content that `make` writes into an empty folder. Where the driver has room beside the content,
 * old and new are exchanged in one step, and a failure or a crash leaves the old. In the root of a mount only an
 * empty volume can be filled, entry by entry.
 */
export async function replaceContent(
  books: VolumeBooks,
  volume: Volume,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  await using content = await openContent(books, volume);
  if (content.beside === undefined) return await fillMount(content.path, volume, make);
  const draft = join(content.beside, `${draftPrefix}${newId().slice(0, 16)}`);
  mkdirSync(draft, { mode: 0o700 });
  try {
    await make(draft);
    // the old content may go only when the new would outlive a power cut
    if (await hasContent(content.path)) await books.copier.sync(draft);
    fault("volume.replace.made");
    exchangePaths(draft, content.path);
    fault("volume.replace.exchanged");
  } finally {
    const aside = content.beside === books.place(volume).folder ? setAside(books, draft) : undefined;
    if (aside !== undefined) erase(books, aside);
    else await rm(draft, { recursive: true, force: true });
  }
}

async function fillMount(path: string, volume: Volume, make: (folder: string) => Promise<void>): Promise<void> {
  const draft = join(path, innerDraft);
  await rm(draft, { recursive: true, force: true }); // of a daemon that was cut
  if (await hasContent(path))
    throw new EngineError(
      "conflict",
      `the volume is mounted by its driver (${volume.driver}) and has content: that cannot be replaced in one step`,
      { name: volume.name },
    );
  mkdirSync(draft, { mode: 0o700 });
  try {
    await make(draft);
    for (const name of await readdir(draft, { encoding: "buffer" }))
      await rename(inFolder(draft, name), inFolder(path, name));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

const inFolder = (folder: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${folder}/`), name]);

/** Whether anything is in a volume's folder. A file system of its own may have made lost+found. */
export async function hasContent(path: string): Promise<boolean> {
  return (await readdir(path)).some((name) => name !== "lost+found" && name !== innerDraft);
}

/** Copies the content of one folder, and its attributes, into an empty one. */
export async function copyFolder(
  { copier }: VolumeBooks,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  const source = openFolder(from);
  try {
    const target = openFolder(to);
    try {
      await copier.tree(source, target, { signal });
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** A folder's descriptor for work in it; the caller closes it. */
export const openFolder = (path: string): number =>
  openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
