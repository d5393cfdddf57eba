import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { renameNew } from "../../kernel/exchange.ts";
import { draftPrefix, named, type VolumeBooks } from "../books.ts";
import { erase, setAside } from "../erase.ts";
import { folderSize } from "../folder-size.ts";
import { openContent } from "../mount.ts";
import type { SnapshotRow } from "../volume.sql.ts";
import { checkVolumeName } from "../volume-name.ts";
import type { VolumeContents, VolumeSnapshot } from "../volume.ts";
import { copyFolder, replaceContent } from "./replace.ts";

const folderOf = (books: VolumeBooks, volume: string): string => join(books.root, volume, "snapshots");
/** Where a snapshot's content is. */
export const snapshotPath = (books: VolumeBooks, volume: string, snapshot: string): string =>
  join(folderOf(books, volume), snapshot);

export const listSnapshots = (books: VolumeBooks, name: string): VolumeSnapshot[] =>
  [...(books.snapshots.get(books.get(name).name)?.values() ?? [])]
    .filter(({ making }) => !making)
    .map(({ volume: _volume, making: _making, ...snapshot }) => snapshot);

/** not-found when the volume has no such snapshot. */
export function findSnapshot(books: VolumeBooks, name: string, snapshot: string): SnapshotRow {
  books.get(name);
  const row = books.snapshots.get(name)?.get(snapshot);
  if (row === undefined || row.making)
    throw new EngineError("not-found", `volume ${name} has no snapshot ${snapshot}`, { name, snapshot });
  return row;
}

/** Copies the content as it is now beside the volume. */
export function takeSnapshot(
  books: VolumeBooks,
  name: string,
  request: Parameters<VolumeContents["snapshot"]>[1],
): Promise<VolumeSnapshot> {
  return named("snapshot", name, async () => {
    const volume = books.get(name);
    const snapshot = request.name || `snap-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "")}`;
    checkVolumeName(snapshot);
    using _work = books.working(name, "a snapshot");
    const draft: SnapshotRow = {
      volume: name,
      name: snapshot,
      labels: { ...request.labels },
      createdAtNs: nowNs(),
      sizeBytes: 0,
      making: true,
    };
    if (books.snapshots.get(name)?.has(snapshot))
      throw new EngineError("conflict", `the volume has a snapshot ${snapshot} already`, { name, snapshot });
    books.table.putSnapshot(draft);
    books.keepSnapshot(draft);
    fault("volume.snapshot.row");
    const folder = join(books.root, name, `${draftPrefix}${snapshot}`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      {
        await using content = await openContent(books, volume);
        await copyFolder(books, content.path, folder, request.signal);
      }
      fault("volume.snapshot.copied");
      await mkdir(folderOf(books, name), { recursive: true, mode: 0o700 });
      renameNew(folder, snapshotPath(books, name, snapshot));
    } catch (error) {
      books.table.dropSnapshot(name, snapshot);
      books.snapshots.get(name)?.delete(snapshot);
      discard(books, folder);
      throw error;
    }
    const row = { ...draft, making: false, sizeBytes: await folderSize(snapshotPath(books, name, snapshot)) };
    books.table.putSnapshot(row);
    books.keepSnapshot(row);
    books.tell("snapshot", volume, request.caller, { snapshot });
    return { name: snapshot, labels: row.labels, createdAtNs: row.createdAtNs, sizeBytes: row.sizeBytes };
  });
}

/** Puts a snapshot's content back; the snapshot stays. */
export function restoreSnapshot(
  books: VolumeBooks,
  name: string,
  { snapshot, caller, signal }: Parameters<VolumeContents["restore"]>[1],
): Promise<void> {
  return named("restore", name, async () => {
    findSnapshot(books, name, snapshot);
    using _lock = await books.lock(name);
    const volume = books.get(name);
    findSnapshot(books, name, snapshot);
    books.refuseWhileWorking("restore", name);
    const users = books.active.containers(name);
    if (users.length > 0)
      throw new EngineError("conflict", `volume is in use - [${users.join(", ")}]`, { name, users });
    using _work = books.working(name, "a restore");
    const from = snapshotPath(books, name, snapshot);
    await replaceContent(books, volume, (folder) => copyFolder(books, from, folder, signal));
    books.tell("restore", volume, caller, { snapshot });
  });
}

export function removeSnapshot(
  books: VolumeBooks,
  name: string,
  snapshot: string,
  { caller }: { caller: Parameters<VolumeContents["removeSnapshot"]>[2] },
): Promise<void> {
  return named("remove snapshot of", name, async () => {
    findSnapshot(books, name, snapshot);
    using _ = await books.lock(name);
    const row = findSnapshot(books, name, snapshot);
    books.refuseWhileWorking("remove snapshot of", name);
    books.table.putSnapshot({ ...row, making: true }); // the next daemon takes away what is left
    fault("volume.snapshot.removing");
    discard(books, snapshotPath(books, name, snapshot));
    books.table.dropSnapshot(name, snapshot);
    books.snapshots.get(name)?.delete(snapshot);
    books.tell("snapshot-remove", books.get(name), caller, { snapshot });
  });
}

function discard(books: VolumeBooks, folder: string): void {
  const aside = setAside(books, folder);
  if (aside !== undefined) erase(books, aside);
}

/** At a daemon's start: takes away snapshots that were never whole or half gone, and drafts. */
export async function reconcileSnapshots(books: VolumeBooks): Promise<void> {
  for (const row of books.table.snapshots()) {
    if (!row.making) continue;
    discard(books, snapshotPath(books, row.volume, row.name));
    books.table.dropSnapshot(row.volume, row.name);
    books.snapshots.get(row.volume)?.delete(row.name);
  }
  for (const { name } of books.byName.values()) {
    const folder = join(books.root, name);
    if (!existsSync(folder)) continue; // a plugin's
    for (const entry of await readdir(folder)) if (entry.startsWith(draftPrefix)) discard(books, join(folder, entry));
  }
}
