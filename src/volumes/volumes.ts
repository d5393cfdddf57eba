import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../base/errors.ts";
import { markTopFolder } from "../kernel/top-folder.ts";
import { draftPrefix, removedPrefix, VolumeBooks, type VolumesOptions } from "./books.ts";
import { finishRename, renameVolume, updateVolume, volumeSizes } from "./change.ts";
import { fillVolume } from "./content/fill.ts";
import {
  listSnapshots,
  reconcileSnapshots,
  removeSnapshot,
  restoreSnapshot,
  takeSnapshot,
} from "./content/snapshots.ts";
import { copyVolume, exportVolume, importVolume } from "./content/transfer.ts";
import { createVolume } from "./create.ts";
import { erase, setAside } from "./erase.ts";
import { mountVolume, unmountVolume } from "./mount.ts";
import { adopt, pluginVolumes } from "./plugins.ts";
import { pruneVolumes, removeVolume, volumeBytes } from "./remove.ts";
import type { VolumeRow } from "./volume.sql.ts";
import type { Volume, Volumes } from "./volume.ts";

export interface OpenVolumes extends Volumes {
  /** Forgets holds of containers that are gone, undoes mounts nobody needs, finishes removals that were cut. */
  reconcile(containers: { known: ReadonlySet<string>; running: ReadonlySet<string> }): Promise<void>;
  /** Ends idle threads. */
  close(): void;
}

/** Opens the volumes of one data root. */
export function openVolumes(options: VolumesOptions): OpenVolumes {
  const books = new VolumeBooks(options);
  const { byName, holds } = books;
  // a local user who could pass would run a container's set-user-id programs (CVE-2021-41091)
  mkdirSync(books.root, { recursive: true, mode: 0o700 });
  chmodSync(books.root, 0o700);
  markTopFolder(books.root);
  const rows = books.table.all();
  const cut = new Set(rows.filter(({ removing, making }) => removing || making));
  for (const row of rows) {
    finishRename(books, row);
    if (!cut.has(row) || row.driver !== "local") continue;
    // its name is free at once; reconcile deletes what was set aside
    setAside(books, join(books.root, row.name));
    books.table.delete(row.name);
  }
  books.load(rows.filter((row) => !cut.has(row)));
  const waiting = [...cut].filter(({ driver }) => driver !== "local");

  return {
    create: (request) => createVolume(books, request),
    get: (name) => books.get(name),
    inspect: (name) => inspect(books, name),
    list: () => sorted(byName.values()),
    async listAll() {
      const { volumes, warnings } = await pluginVolumes(books);
      return { volumes: sorted([...byName.values(), ...volumes]), warnings };
    },
    remove: (name, how) => removeVolume(books, name, how),
    hold: (name, containerId) => holds.add(books.get(name).name, containerId),
    release: (name, containerId) => holds.drop(name, containerId),
    users: (name) => holds.containers(name),
    mount: (name, containerId, use) => mountVolume(books, name, containerId, use),
    unmount: (name, containerId, use) => unmountVolume(books, name, containerId, use),
    populate: (name, rootfs, source) => fillVolume(books, name, rootfs, source),
    usage: (name) => volumeBytes(books, name),
    prune: (what) => pruneVolumes(books, what),
    rename: (name, to, caller) => renameVolume(books, name, to, caller),
    copy: (name, request) => copyVolume(books, name, request),
    update: (name, change) => updateVolume(books, name, change),
    snapshot: (name, request) => takeSnapshot(books, name, request),
    snapshots: (name) => listSnapshots(books, name),
    removeSnapshot: (name, snapshot, caller) => removeSnapshot(books, name, snapshot, { caller }),
    restore: (name, request) => restoreSnapshot(books, name, request),
    export: (name, request) => exportVolume(books, name, request),
    import: (name, tar, request) => importVolume(books, name, tar, request),
    sizes: (name) => volumeSizes(books, name),
    reconcile: (containers) => reconcile(books, waiting, containers),
    close: () => books.copier.close(),
  };
}

const sorted = (volumes: Iterable<Volume>): Volume[] => [...volumes].sort((a, b) => (a.name < b.name ? -1 : 1));

async function inspect(books: VolumeBooks, name: string): ReturnType<Volumes["inspect"]> {
  if (!books.byName.has(name)) await adopt(books, name);
  const volume = books.get(name);
  if (volume.driver === "local") return volume;
  try {
    const driver = await books.driverOf(volume);
    const told = await driver.inspect?.(books.place(volume));
    return {
      ...volume,
      scope: driver.scope,
      mountpoint: told?.mountpoint ?? volume.mountpoint,
      ...(told?.status && { status: told.status }),
    };
  } catch (error) {
    return { ...volume, status: { error: errorMessage(error) } };
  }
}

async function reconcile(
  books: VolumeBooks,
  waiting: readonly VolumeRow[],
  { known, running }: { known: ReadonlySet<string>; running: ReadonlySet<string> },
): Promise<void> {
  const { options, root } = books;
  for (const { name, container } of books.holds.all()) {
    if (!known.has(container)) books.holds.drop(name, container);
    else if (running.has(container)) books.active.add(name, container);
  }
  for (const row of waiting) await undoOrFinish(books, row);
  for (const { name, container } of books.mounts.all()) {
    if (running.has(container) || books.active.containers(name).includes(container)) continue;
    await unmountVolume(books, name, container).catch((error: unknown) =>
      options.log("warn", "a volume of an ended container stays mounted", { name, error: errorMessage(error) }),
    );
  }
  for (const name of readdirSync(root)) {
    if (name.startsWith(removedPrefix) || name.startsWith(draftPrefix)) erase(books, join(root, name));
    else if (!books.byName.has(name))
      options.log("warn", "a folder in the data root belongs to no volume and is left alone", {
        folder: join(root, name),
      });
  }
  await reconcileSnapshots(books);
}

/** A plugin's volume that was being made or removed: nothing of it stays. One that is not let go is kept in mind. */
async function undoOrFinish(books: VolumeBooks, row: VolumeRow): Promise<void> {
  const place = books.place(row);
  try {
    await (await books.driverOf(row)).remove(place);
  } catch (error) {
    books.options.log("warn", "a volume's removal waits for its driver", {
      name: row.name,
      error: errorMessage(error),
    });
    return;
  }
  const aside = setAside(books, place.folder);
  books.table.delete(row.name);
  if (aside !== undefined) erase(books, aside);
}
