import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import { named, type VolumeBooks } from "./books.ts";
import { listSnapshots } from "./content/snapshots.ts";
import { volumeBytes } from "./remove.ts";
import { limitOf } from "./size.ts";
import { checkVolumeName } from "./volume-name.ts";
import type { Volume, VolumeContents, VolumeSize } from "./volume.ts";

/** Gives a volume another name. Mounts of containers hold its folder, not its path: they go on. */
export function renameVolume(books: VolumeBooks, name: string, to: string, caller: Caller): Promise<Volume> {
  return named("rename", name, async () => {
    checkVolumeName(to);
    const first = books.get(name);
    if (to === name) return first;
    // always in the same order: two renames that cross do not wait for each other
    const [one = name, other = to] = [name, to].sort();
    using _one = await books.lock(one);
    using _other = await books.lock(other);
    const volume = books.get(name);
    if (books.byName.has(to)) throw new EngineError("conflict", `the volume ${to} exists already`, { name: to });
    if (volume.driver !== "local")
      throw new EngineError("not-implemented", `the driver ${volume.driver} cannot rename volumes`, { name });
    books.refuseWhileWorking("rename", name);
    const driver = await books.driverOf(volume);
    const oldFolder = join(books.root, name);
    const newFolder = join(books.root, to);
    if (existsSync(newFolder))
      throw new EngineError("conflict", `a folder of no volume is in the way: ${newFolder}`, { name: to });
    const { "com.docker.volume.anonymous": _mark, ...labels } = volume.labels;
    const mountpoint = volume.mountpoint.startsWith(`${oldFolder}/`)
      ? newFolder + volume.mountpoint.slice(oldFolder.length)
      : driver.path(books.place({ ...volume, name: to }));
    const renamed: Volume = { ...volume, name: to, mountpoint, labels, anonymous: false };
    books.table.rename(renamed, name, () => books.options.followRename(name, renamed));
    fault("volume.rename.row");
    renameSync(oldFolder, newFolder);
    fault("volume.rename.folder");
    books.table.renamed(to);
    books.byName.delete(name);
    books.byName.set(to, renamed);
    for (const pairs of [books.holds, books.mounts, books.active]) pairs.rename(name, to);
    const snapshots = books.snapshots.get(name);
    books.snapshots.delete(name);
    if (snapshots) for (const row of snapshots.values()) books.keepSnapshot({ ...row, volume: to });
    if (books.filling.delete(name)) books.filling.add(to);
    books.tell("rename", renamed, caller, { oldName: name });
    return renamed;
  });
}

/** At a daemon's start: a rename that was cut is finished. Gives the folder that could not follow, if any. */
export function finishRename(books: VolumeBooks, { name, renamedFrom }: { name: string; renamedFrom: string }): void {
  if (renamedFrom === "") return;
  const [oldFolder, newFolder] = [join(books.root, renamedFrom), join(books.root, name)];
  if (!existsSync(newFolder) && existsSync(oldFolder)) renameSync(oldFolder, newFolder);
  books.table.renamed(name);
}

/** Changes labels and limit. */
export function updateVolume(
  books: VolumeBooks,
  name: string,
  { labels, limitBytes, caller }: Parameters<VolumeContents["update"]>[1],
): Promise<Volume> {
  return named("update", name, async () => {
    books.get(name);
    using _ = await books.lock(name);
    const before = books.get(name);
    let { options } = before;
    if (limitBytes !== undefined && limitBytes !== limitOf(options)) {
      if (!Number.isSafeInteger(limitBytes) || limitBytes < 0)
        throw new EngineError("invalid", "a limit is a number of bytes", { limitBytes });
      using _driver = await books.driverLock(name);
      await (await books.driverOf(before)).resize(books.place(before), limitBytes);
      const { size: _size, ...others } = options;
      options = { ...others, ...(limitBytes > 0 && { size: String(limitBytes) }) };
    }
    const volume = { ...books.get(name), options, labels: labels ?? before.labels };
    books.table.update(name, volume);
    books.byName.set(name, volume);
    books.tell("update", volume, caller);
    return volume;
  });
}

const walkers = 4; // walks wait for the disk

/** What volumes use of the disk. */
export async function volumeSizes(books: VolumeBooks, name?: string): Promise<VolumeSize[]> {
  const names = name === undefined ? [...books.byName.keys()].sort() : [books.get(name).name];
  const sizes: VolumeSize[] = [];
  const queue = names.values();
  const walk = async (): Promise<void> => {
    for (const next of queue) {
      if (!books.byName.has(next)) continue; // removed meanwhile
      const sizeBytes = await volumeBytes(books, next);
      const volume = books.byName.get(next);
      if (!volume) continue;
      const snapshots = listSnapshots(books, next);
      sizes.push({
        name: next,
        sizeBytes,
        limitBytes: volume.driver === "local" ? limitOf(volume.options) : 0,
        snapshots: snapshots.length,
        snapshotBytes: snapshots.reduce((sum, snapshot) => sum + snapshot.sizeBytes, 0),
        users: books.holds.containers(next),
      });
    }
  };
  await Promise.all(Array.from({ length: walkers }, walk));
  return sizes.sort((a, b) => (a.name < b.name ? -1 : 1));
}
