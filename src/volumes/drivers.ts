import type { VolumeDriver } from "./driver.ts";

export const volumeDrivers = {
  local: () => import("./local/local.ts").then((module) => module.local),
} satisfies Record<string, () => Promise<VolumeDriver>>;

export const volumeDriverNames = Object.keys(volumeDrivers);

/** Whether a driver of that name is built in. */
export function isVolumeDriver(name: string): name is keyof typeof volumeDrivers {
  return Object.hasOwn(volumeDrivers, name);
}
