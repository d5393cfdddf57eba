import { join } from "node:path";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import { named, type VolumeBooks } from "./books.ts";
import { erase, setAside } from "./erase.ts";
import { folderSize } from "./folder-size.ts";
import { adopt } from "./plugins.ts";
import { isProtected, type Volumes } from "./volume.ts";

/** Removes a volume that nobody refers to. */
export async function removeVolume(
  books: VolumeBooks,
  name: string,
  { force, caller }: { force: boolean; caller: Caller },
): Promise<void> {
  if (!books.byName.has(name)) await adopt(books, name);
  if (force && !books.byName.has(name)) return;
  books.get(name);
  using _ = await books.lock(name);
  const volume = books.get(name);
  const users = books.holds.containers(name);
  if (users.length > 0)
    throw new EngineError("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, { name, users });
  books.refuseWhileWorking("remove", name);
  if (!force && isProtected(volume))
    throw new EngineError(
      "conflict",
      `remove ${name}: volume is protected by its label "protected": force would remove it`,
      {
        name,
      },
    );
  const place = books.place(volume);
  const driver = await books.driverOf(volume);
  books.table.removing(name, true);
  books.byName.delete(name);
  fault("volume.remove.row");
  try {
    await named("remove", name, () => driver.remove(place));
  } catch (error) {
    books.byName.set(name, volume);
    books.table.removing(name, false);
    throw error;
  }
  fault("volume.remove.driver");
  const aside = setAside(books, place.folder);
  fault("volume.remove.renamed");
  books.table.delete(name);
  books.mounts.forget(name);
  books.active.forget(name);
  books.holds.forget(name);
  books.filling.delete(name);
  books.snapshots.delete(name);
  books.tell("destroy", volume, caller);
  if (aside !== undefined) erase(books, aside);
}

/** Removes what nobody refers to and no label protects. */
export async function pruneVolumes(
  books: VolumeBooks,
  { all, labels, caller }: Parameters<Volumes["prune"]>[0],
): Promise<{ removed: string[]; reclaimedBytes: number }> {
  const removed: string[] = [];
  let reclaimedBytes = 0;
  for (const volume of [...books.byName.values()]) {
    const { name } = volume;
    if ((!all && !volume.anonymous) || !labels(volume.labels) || isProtected(volume)) continue;
    if (books.holds.containers(name).length > 0 || volume.driver !== "local") continue; // moby parity: only ours
    const bytes = await volumeBytes(books, name);
    try {
      await removeVolume(books, name, { force: false, caller });
    } catch (error) {
      if (error instanceof EngineError && (error.kind === "conflict" || error.kind === "not-found")) continue; // taken or removed meanwhile
      throw error;
    }
    removed.push(name);
    reclaimedBytes += Math.max(bytes, 0);
  }
  books.options.events.publish({
    type: "volume",
    action: "prune",
    id: "",
    attributes: { reclaimed: String(reclaimedBytes) },
    caller,
  });
  return { removed, reclaimedBytes };
}

/** Bytes of a volume's files; -1 when its driver or its options put them elsewhere (moby parity: not ours to count). */
export async function volumeBytes(books: VolumeBooks, name: string): Promise<number> {
  const volume = books.get(name);
  if (volume.driver !== "local" || "device" in volume.options) return -1;
  const driver = await books.driverOf(volume);
  const place = books.place(volume);
  const unmounted = driver.mounts(place) && books.mounts.containers(name).length === 0;
  return folderSize(unmounted ? join(place.folder, "disk.img") : volume.mountpoint, { onDisk: unmounted });
}
