import { EngineError } from "../base/errors.ts";
import type { VolumeDriver } from "./driver.ts";
import { findPlugin, type PluginFolders, pluginNames } from "./plugin/find.ts";
import { openPlugin, type PluginDeadlines } from "./plugin/plugin.ts";

export const volumeDrivers = {
  local: () => import("./local/local.ts").then((module) => module.local),
} satisfies Record<string, () => Promise<VolumeDriver>>;

export const volumeDriverNames = Object.keys(volumeDrivers);

/** The drivers built in, and the plugins of this host, which come and go. */
export interface VolumeDrivers {
  /** not-found with Docker's text when there is no such driver. */
  get(name: string): Promise<VolumeDriver>;
  /** Drivers that keep books of their own and answer; the texts say what does not. */
  withBooks(): Promise<{ drivers: VolumeDriver[]; warnings: string[] }>;
}

export function openDrivers(options: {
  folders: PluginFolders;
  deadlines: PluginDeadlines;
  forbidden: readonly string[];
}): VolumeDrivers {
  // what a plugin is does not change while its socket stays; where it is may
  const plugins = new Map<string, { key: string; driver: Promise<VolumeDriver | undefined> }>();

  async function plugin(name: string, patient: boolean): Promise<VolumeDriver | undefined> {
    const address = findPlugin(name, options.folders);
    if (address === undefined) {
      plugins.delete(name);
      return undefined;
    }
    const key = JSON.stringify(address);
    const known = plugins.get(name);
    if (known?.key === key) return known.driver;
    const driver = openPlugin(address, { ...options, patient });
    plugins.set(name, { key, driver });
    driver.catch(() => plugins.delete(name)); // asked again next time
    return driver;
  }

  return {
    async get(name) {
      if (Object.hasOwn(volumeDrivers, name)) return volumeDrivers[name as keyof typeof volumeDrivers]();
      const found = await plugin(name, true);
      if (found) return found;
      throw new EngineError(
        "not-found",
        `error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`,
        { driver: name },
      );
    },
    async withBooks() {
      const names = pluginNames(options.folders);
      const opened = await Promise.allSettled(names.map((name) => plugin(name, false)));
      const drivers = opened.flatMap((result) => (result.status === "fulfilled" && result.value ? [result.value] : []));
      const warnings = opened.flatMap((result, index) =>
        result.status === "rejected"
          ? [`the volume plugin ${names[index]} does not answer: ${String(result.reason)}`]
          : [],
      );
      return { drivers, warnings };
    },
  };
}
