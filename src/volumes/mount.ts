import { fault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import type { Caller } from "../spec/caller.ts";
import type { VolumeBooks } from "./books.ts";
import type { VolumeDriver, VolumePlace } from "./driver.ts";
import type { Volume, VolumeUse } from "./volume.ts";

/** Makes the content reachable for a container; gives its folder. */
export async function mountVolume(books: VolumeBooks, name: string, user: string, use?: VolumeUse): Promise<string> {
  const volume = books.get(name);
  const driver = await books.driverOf(volume);
  const place = books.place(volume);
  const mounts = driver.mounts(place);
  let path = volume.mountpoint;
  if (mounts || books.locked(name)) {
    using _ = await books.lock(name);
    if (books.byName.get(name) !== volume) return await mountVolume(books, name, user, use); // changed meanwhile
    path = await take(books, { volume, driver, place }, user);
  } else books.active.add(name, user); // no await since the lock was looked at: a restore sees this user
  if (use)
    books.tell("mount", volume, use.caller, {
      container: user,
      destination: use.destination,
      "read/write": String(!use.readOnly),
      propagation: use.propagation,
    });
  return path;
}

interface Opened {
  readonly volume: Volume;
  readonly driver: VolumeDriver;
  readonly place: VolumePlace;
}

/** The caller has the lock, or nobody may remove the volume meanwhile. */
async function take(books: VolumeBooks, { volume, driver, place }: Opened, user: string): Promise<string> {
  const { name } = volume;
  if (!driver.mounts(place)) {
    books.active.add(name, user);
    return volume.mountpoint;
  }
  using _ = await books.driverLock(name);
  books.mounts.add(name, user);
  fault("volume.mount.row");
  let path: string;
  try {
    path = await driver.mount(place, user);
  } catch (error) {
    books.mounts.drop(name, user);
    throw error;
  }
  books.active.add(name, user);
  // not of a volume that is being made: nobody sees it yet
  if (path !== volume.mountpoint && books.byName.get(name) === volume)
    books.byName.set(name, { ...volume, mountpoint: path });
  return path;
}

/** Undoes mountVolume for one user. Idempotent. */
export async function unmountVolume(
  books: VolumeBooks,
  name: string,
  user: string,
  use?: { caller: Caller },
): Promise<void> {
  const volume = books.byName.get(name);
  if (volume === undefined) return;
  if (books.mounts.containers(name).includes(user)) {
    const driver = await books.driverOf(volume);
    using _ = await books.lock(name);
    await letGo(books, { volume, driver, place: books.place(volume) }, user);
  }
  books.active.drop(name, user);
  if (use) books.tell("unmount", volume, use.caller, { container: user });
}

async function letGo(books: VolumeBooks, { volume, driver, place }: Opened, user: string): Promise<void> {
  const { name } = volume;
  using _ = await books.driverLock(name);
  if (!books.mounts.containers(name).includes(user)) return;
  const last = books.mounts.containers(name).length === 1;
  // the row goes last: what was not undone is undone by the next daemon
  fault("volume.unmount.row");
  try {
    await driver.unmount(place, user, { last });
  } finally {
    books.mounts.drop(name, user);
  }
}

/** Opens the content for the engine's own work. The caller has the lock, or else nobody may remove the volume. */
export async function openContent(
  books: VolumeBooks,
  volume: Volume,
): Promise<{ path: string; beside: string | undefined } & AsyncDisposable> {
  const driver = await books.driverOf(volume);
  const place = books.place(volume);
  const user = `engine-${newId().slice(0, 16)}`;
  const opened = { volume, driver, place };
  const mounts = driver.mounts(place);
  const path = mounts ? await take(books, opened, user) : driver.path(place);
  return {
    path,
    beside: driver.beside(place),
    async [Symbol.asyncDispose]() {
      if (mounts) await letGo(books, opened, user);
      books.active.drop(volume.name, user);
    },
  };
}
