import { errorMessage } from "../base/errors.ts";
import type { VolumeBooks } from "./books.ts";
import type { DriverStatus, VolumeDriver } from "./driver.ts";
import type { Volume } from "./volume.ts";

/** Volumes of plugins that this engine did not make; asked for each time, and in no book of ours. */
export async function pluginVolumes(books: VolumeBooks): Promise<{ volumes: Volume[]; warnings: string[] }> {
  const { drivers, warnings } = await books.options.drivers.withBooks();
  const volumes: Volume[] = [];
  const answers = await Promise.allSettled(drivers.map(async (driver) => driver.list?.()));
  for (const [index, driver] of drivers.entries()) {
    const answer = answers[index];
    if (answer?.status === "rejected")
      warnings.push(`the volumes of the plugin ${driver.name} are not known: ${errorMessage(answer.reason)}`);
    for (const status of (answer?.status === "fulfilled" && answer.value) || [])
      if (!books.byName.has(status.name)) volumes.push(foreign(driver, status));
  }
  return { volumes, warnings };
}

/** Takes a volume that some plugin has by this name into our books; nothing happens when none has. */
export async function adopt(books: VolumeBooks, name: string): Promise<void> {
  const { drivers } = await books.options.drivers.withBooks();
  for (const driver of drivers) {
    // a plugin that does not answer does not have it, as far as one can tell
    const status = await driver.inspect?.({ name, folder: "", options: {} }).catch(() => undefined);
    if (!status) continue;
    using _ = await books.lock(name);
    if (books.byName.has(name)) return;
    const volume = foreign(driver, { ...status, name });
    books.table.insert(volume, false);
    books.byName.set(name, volume);
    return;
  }
}

const foreign = (driver: VolumeDriver, { name, mountpoint }: DriverStatus & { name: string }): Volume => ({
  name,
  driver: driver.name,
  mountpoint,
  labels: {},
  options: {},
  createdAtNs: 0n,
  anonymous: false,
  scope: driver.scope,
});
