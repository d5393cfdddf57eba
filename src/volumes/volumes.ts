import type { Database } from "bun:sqlite";
import { chmodSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { nowNs } from "../base/clock.ts";
import { EngineError, errorMessage } from "../base/errors.ts";
import { fault } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { EventSink } from "../events/bus.ts";
import { unmountAll } from "../kernel/mount.ts";
import type { Caller } from "../spec/caller.ts";
import { copyTree } from "./copy-tree.ts";
import type { VolumeDriver } from "./driver.ts";
import { isVolumeDriver, volumeDrivers } from "./drivers.ts";
import { folderSize } from "./folder-size.ts";
import { PairSet } from "./pair-set.ts";
import { checkVolumeName } from "./volume-name.ts";
import { VolumeTable } from "./volume.sql.ts";
import type { Volume, VolumeCreate, Volumes, VolumeUse } from "./volume.ts";

export interface OpenVolumes extends Volumes {
  /** Forgets holds of containers that are gone, undoes mounts nobody needs, finishes removals that were cut. */
  reconcile(containers: { known: ReadonlySet<string>; running: ReadonlySet<string> }): Promise<void>;
}

export interface VolumesOptions {
  readonly db: Database;
  readonly dataRoot: string;
  readonly events: EventSink;
  readonly log: (level: "warn", message: string, fields?: Record<string, unknown>) => void;
}

const lockTimeoutMs = 120_000; // the longest a first-use copy of a big image folder should take
const removedPrefix = ".removed-";

/** Opens the volumes of one data root. */
export function openVolumes({ db, dataRoot, events, log }: VolumesOptions): OpenVolumes {
  const root = join(dataRoot, "volumes");
  // a local user who could pass would run a container's set-user-id programs (CVE-2021-41091)
  mkdirSync(root, { recursive: true, mode: 0o700 });
  chmodSync(root, 0o700);
  const table = new VolumeTable(db);
  const rows = table.all();
  for (const { name } of rows.filter(({ removing }) => removing)) {
    setAside(name);
    table.delete(name);
  }
  const byName = new Map<string, Volume>(
    rows
      .filter(({ removing }) => !removing)
      .map(({ filling: _filling, removing: _removing, ...row }) => [
        row.name,
        { ...row, mountpoint: mountpoint(row.name) },
      ]),
  );
  const filling = new Set(rows.filter((row) => row.filling).map(({ name }) => name));
  const holds = new PairSet(table, "volume_holds");
  const mounts = new PairSet(table, "volume_mounts");
  const locks = new KeyedLock();

  function mountpoint(name: string): string {
    return join(root, name, "_data");
  }
  const lock = (name: string) => locks.acquire(name, { timeoutMs: lockTimeoutMs, what: `volume ${name}` });
  const driverOf = ({ driver }: { driver: string }): Promise<VolumeDriver> =>
    Object.hasOwn(volumeDrivers, driver)
      ? volumeDrivers[driver as keyof typeof volumeDrivers]()
      : Promise.reject(noDriver(driver));
  function tell(action: string, volume: Volume, caller: Caller, attributes: Record<string, string> = {}): void {
    events.publish({
      type: "volume",
      action,
      id: volume.name,
      attributes: { driver: volume.driver, ...attributes },
      caller,
    });
  }
  function get(name: string): Volume {
    const found = byName.get(name);
    if (found === undefined) throw new EngineError("not-found", `get ${name}: no such volume`, { name });
    return found;
  }

  async function create(request: VolumeCreate): Promise<Volume> {
    const anonymous = request.name === "";
    const name = anonymous ? newId() : request.name;
    const driver = request.driver || "local";
    return named("create", name, async () => {
      if (!isVolumeDriver(driver)) throw noDriver(driver);
      checkVolumeName(name);
      const known = await volumeDrivers[driver]();
      using _ = await lock(name);
      const existing = byName.get(name);
      if (existing !== undefined) {
        if (existing.driver !== driver)
          throw new EngineError("conflict", "conflict: volume name must be unique", { name, driver: existing.driver });
        tell("create", existing, request.caller); // moby parity: told again
        return existing;
      }
      known.validate(request.options ?? {});
      const labels = { ...(anonymous && { "com.docker.volume.anonymous": "" }), ...request.labels };
      const volume: Volume = {
        name,
        driver,
        mountpoint: mountpoint(name),
        labels,
        options: { ...request.options },
        createdAtNs: nowNs(),
        anonymous,
      };
      table.insert(volume);
      fault("volume.create.row");
      try {
        await known.create(volume.mountpoint);
      } catch (error) {
        table.delete(name);
        throw error;
      }
      byName.set(name, volume);
      tell("create", volume, request.caller);
      return volume;
    });
  }

  async function remove(name: string, { force, caller }: { force: boolean; caller: Caller }): Promise<void> {
    if (force && !byName.has(name)) return;
    get(name);
    using _ = await lock(name);
    const volume = get(name);
    const users = holds.containers(name);
    if (users.length > 0)
      throw new EngineError("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, { name, users });
    const driver = await driverOf(volume);
    table.removing(name);
    byName.delete(name);
    fault("volume.remove.row");
    if (driver.mounts(volume.options)) await driver.unmount(volume.mountpoint);
    const aside = setAside(name);
    fault("volume.remove.renamed");
    table.delete(name);
    mounts.forget(name);
    holds.forget(name);
    filling.delete(name);
    tell("destroy", volume, caller);
    if (aside !== undefined) erase(aside);
  }

  /** Takes the folder out of sight at once; undefined when it is gone already. */
  function setAside(name: string): string | undefined {
    const aside = join(root, `${removedPrefix}${newId().slice(0, 16)}`);
    try {
      renameSync(join(root, name), aside);
      return aside;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** In the background. `rm` walks by descriptors: trees deeper than a path can name go too. */
  function erase(folder: string): void {
    unmountAll(folder); // what a driver mounted there is not ours to delete
    const child = Bun.spawn(["/bin/rm", "-rf", "--one-file-system", "--", folder], {
      stdio: ["ignore", "ignore", "ignore"],
      cwd: "/",
    });
    child.unref();
    void child.exited.then((status) => {
      if (status !== 0) log("warn", "a removed volume's files could not all be deleted", { folder });
    });
  }

  async function mount(name: string, containerId: string, use?: VolumeUse): Promise<string> {
    const volume = get(name);
    const driver = await driverOf(volume);
    if (driver.mounts(volume.options)) {
      using _ = await lock(name);
      mounts.add(name, containerId);
      fault("volume.mount.row");
      try {
        await driver.mount(volume.mountpoint, volume.options);
      } catch (error) {
        mounts.drop(name, containerId);
        throw error;
      }
    }
    if (use)
      tell("mount", volume, use.caller, {
        container: containerId,
        destination: use.destination,
        "read/write": String(!use.readOnly),
        propagation: use.propagation,
      });
    return volume.mountpoint;
  }

  async function unmount(name: string, containerId: string, use?: { caller: Caller }): Promise<void> {
    const volume = byName.get(name);
    if (volume === undefined) return;
    const driver = await driverOf(volume);
    if (driver.mounts(volume.options)) {
      using _ = await lock(name);
      mounts.drop(name, containerId);
      fault("volume.unmount.row");
      if (mounts.containers(name).length === 0) await driver.unmount(volume.mountpoint);
    }
    if (use) tell("unmount", volume, use.caller, { container: containerId });
  }

  async function populate(name: string, rootfs: string, source: string): Promise<void> {
    const volume = get(name);
    const isEmpty = async (): Promise<boolean> => (await readdir(volume.mountpoint)).length === 0;
    if (!filling.has(name) && !(await isEmpty())) return;
    using _ = await lock(name);
    if (!filling.has(name) && !(await isEmpty())) return; // else the last copy was cut: the same again over it
    const mounted = (await driverOf(volume)).mounts(volume.options);
    // on a file system of its own nothing can be moved in, so nobody else may be there while it is filled
    if (mounted && mounts.containers(name).length > 1) return;
    filling.add(name);
    table.filling(name, true);
    fault("volume.populate.row");
    const staging = mounted ? undefined : join(root, name, ".filling");
    await copyTree({ rootfs, source, target: volume.mountpoint, staging });
    fault("volume.populate.copied");
    filling.delete(name);
    table.filling(name, false);
  }

  async function prune({
    all,
    labels,
    caller,
  }: Parameters<Volumes["prune"]>[0]): Promise<{ removed: string[]; reclaimedBytes: number }> {
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const volume of [...byName.values()]) {
      if ((!all && !volume.anonymous) || !labels(volume.labels) || holds.containers(volume.name).length > 0) continue;
      const bytes = await usage(volume.name);
      try {
        await remove(volume.name, { force: false, caller });
      } catch (error) {
        if (error instanceof EngineError && (error.kind === "conflict" || error.kind === "not-found")) continue; // taken or removed meanwhile
        throw error;
      }
      removed.push(volume.name);
      reclaimedBytes += bytes;
    }
    events.publish({
      type: "volume",
      action: "prune",
      id: "",
      attributes: { reclaimed: String(reclaimedBytes) },
      caller,
    });
    return { removed, reclaimedBytes };
  }

  async function usage(name: string): Promise<number> {
    const volume = get(name);
    return Object.keys(volume.options).length > 0 ? -1 : folderSize(volume.mountpoint); // moby parity: not ours to count
  }

  async function reconcile({
    known,
    running,
  }: {
    known: ReadonlySet<string>;
    running: ReadonlySet<string>;
  }): Promise<void> {
    for (const { name, container } of holds.all()) if (!known.has(container)) holds.drop(name, container);
    for (const { name, container } of mounts.all()) if (!running.has(container)) await unmount(name, container);
    for (const name of readdirSync(root)) {
      if (name.startsWith(removedPrefix)) erase(join(root, name));
      else if (!byName.has(name))
        log("warn", "a folder in the data root belongs to no volume and is left alone", { folder: join(root, name) });
    }
    for (const volume of byName.values()) await (await driverOf(volume)).create(volume.mountpoint); // cut between row and folder
  }

  return {
    create,
    get,
    list: () => [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    remove,
    hold: (name, containerId) => holds.add(get(name).name, containerId),
    release: (name, containerId) => holds.drop(name, containerId),
    users: (name) => holds.containers(name),
    mount,
    unmount,
    populate,
    usage,
    prune,
    reconcile,
  };
}

const noDriver = (driver: string): EngineError =>
  new EngineError("not-found", `error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`, {
    driver,
  });

/** Docker's texts begin with what was tried on which volume. */
async function named<T>(verb: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof EngineError)
      throw new EngineError(cause.kind, `${verb} ${name}: ${cause.message}`, { ...cause.detail, name }, { cause });
    throw new EngineError("internal", `${verb} ${name}: ${errorMessage(cause)}`, { name }, { cause });
  }
}
