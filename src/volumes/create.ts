import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { named, type VolumeBooks } from "./books.ts";
import type { VolumeDriver } from "./driver.ts";
import { erase, setAside } from "./erase.ts";
import { adopt } from "./plugins.ts";
import { checkVolumeName } from "./volume-name.ts";
import type { Volume, VolumeCreate } from "./volume.ts";

/** Gives the volume of that name, made if there is none. */
export function createVolume(books: VolumeBooks, request: VolumeCreate): Promise<Volume> {
  const anonymous = request.anonymous ?? request.name === "";
  const name = request.name === "" ? newId() : request.name;
  return named("create", name, async () => {
    checkVolumeName(name);
    // one that a plugin has already is found by its name alone
    if (!request.driver && !books.byName.has(name)) await adopt(books, name);
    const driver = request.driver || books.byName.get(name)?.driver || "local";
    const known = await books.driverOf({ driver });
    using _ = await books.lock(name);
    const existing = books.byName.get(name);
    if (existing !== undefined) {
      if (existing.driver !== known.name)
        throw new EngineError("conflict", "conflict: volume name must be unique", { name, driver: existing.driver });
      books.tell("create", existing, request.caller); // moby parity: told again
      return existing;
    }
    const volume = draftVolume(books, known, { ...request, name, anonymous });
    await makeVolume(books, known, volume, async () => {});
    books.tell("create", volume, request.caller);
    return books.get(name);
  });
}

/** A volume as it shall be. Throws for options that the driver does not take. */
export function draftVolume(
  books: VolumeBooks,
  driver: VolumeDriver,
  { name, labels, options = {}, anonymous }: Omit<VolumeCreate, "driver" | "caller"> & { anonymous: boolean },
): Volume {
  driver.validate(options);
  const draft = { name, options: { ...options } };
  return {
    ...draft,
    driver: driver.name,
    mountpoint: driver.path(books.place(draft)),
    labels: { ...(anonymous && { "com.docker.volume.anonymous": "" }), ...labels },
    createdAtNs: nowNs(),
    anonymous,
    scope: driver.scope,
  };
}

/**
 * Makes a volume and its content; the caller has its lock. Nobody sees it before `fill` has ended, and a failure or a
 * crash leaves nothing of it.
 */
export async function makeVolume(
  books: VolumeBooks,
  driver: VolumeDriver,
  volume: Volume,
  fill: () => Promise<void>,
): Promise<void> {
  const { name } = volume;
  const place = books.place(volume);
  books.table.insert(volume, true);
  fault("volume.create.row");
  try {
    await driver.create(place);
    fault("volume.create.made");
    await fill();
    const mountpoint = driver.path(place) || (await driver.inspect?.(place))?.mountpoint || "";
    books.table.made(name);
    books.byName.set(name, { ...volume, mountpoint });
  } catch (error) {
    await driver.remove(place).catch(() => undefined); // why it failed matters more
    const aside = setAside(books, place.folder);
    books.table.delete(name);
    if (aside !== undefined) erase(books, aside);
    throw error;
  }
}
