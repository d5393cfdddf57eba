import { expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { VolumeDriver, VolumePlace } from "./driver.ts";

/** What a driver's own test tells of it. */
export interface DriverFacts {
  readonly what: string;
  readonly driver: () => Promise<VolumeDriver>;
  /** A folder for the test's volumes. */
  readonly root: () => string;
  readonly options: Readonly<Record<string, string>>;
  /** Content goes with the last unmount (a tmpfs). */
  readonly forgets?: boolean;
}

let names = 0;

/** The rules of VolumeDriver, for every driver. Needs root: drivers mount. */
export function volumeDriverConformance({ what, driver: open, root, options, forgets }: DriverFacts): void {
  const place = (): VolumePlace => {
    const name = `conform-${process.pid}-${names++}`;
    const folder = join(root(), name);
    mkdirSync(folder, { recursive: true });
    return { name, folder, options };
  };

  test(`${what}: a volume is made, mounted for two users, kept between them, and removed`, async () => {
    const driver = await open();
    const volume = place();
    driver.validate(options);
    await driver.create(volume);
    await driver.create(volume);
    const path = await driver.mount(volume, "one");
    expect(await driver.mount(volume, "one")).toBe(path);
    writeFileSync(join(path, "file"), "x");
    expect(await driver.mount(volume, "two")).toBe(path);
    await driver.unmount(volume, "one", { last: false });
    expect(existsSync(join(path, "file"))).toBe(true);
    await driver.unmount(volume, "two", { last: true });
    const again = await driver.mount(volume, "three");
    expect(existsSync(join(again, "file"))).toBe(forgets !== true);
    await driver.unmount(volume, "three", { last: true });
    await driver.remove(volume);
    await driver.remove(volume);
  });

  test(`${what}: unmount of what is not mounted, and remove of what was never made, are no errors`, async () => {
    const driver = await open();
    const volume = place();
    await driver.remove(volume);
    await driver.create(volume);
    await driver.unmount(volume, "nobody", { last: true });
    await driver.remove(volume);
  });

  test(`${what}: room beside the content is on its file system, and holds nothing of it`, async () => {
    const driver = await open();
    const volume = place();
    await driver.create(volume);
    const path = await driver.mount(volume, "one");
    const beside = driver.beside(volume);
    if (beside !== undefined) {
      mkdirSync(join(beside, ".probe"));
      expect(existsSync(join(path, ".probe"))).toBe(false);
      rmSync(join(beside, ".probe"), { recursive: true });
    }
    await driver.unmount(volume, "one", { last: true });
    await driver.remove(volume);
  });
}
