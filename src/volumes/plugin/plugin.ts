import { realpath, stat } from "node:fs/promises";
import { isAbsolute, normalize } from "node:path";
import { EngineError } from "../../base/errors.ts";
import type { DriverStatus, VolumeDriver } from "../driver.ts";
import { callPlugin } from "./call.ts";
import type { PluginAddress } from "./find.ts";

export interface PluginDeadlines {
  /** Create, Remove, Mount, Unmount: they may make disks and wait for servers. */
  readonly workMs: number;
  /** Get, List, Path, Capabilities and the first handshake. */
  readonly askMs: number;
}
const patienceMs = 2_000; // a plugin that is being restarted
export const defaultDeadlines: PluginDeadlines = { workMs: 60_000, askMs: 5_000 };

/**
 * A driver that lives in another process and speaks Docker's volume plugin protocol, version 1. Undefined when the
 * plugin says that it is something else than a volume driver. `forbidden`: folders that no volume may hold or be.
 * `patient`: one that is being restarted is waited for.
 */
export async function openPlugin(
  address: PluginAddress,
  { deadlines, forbidden, patient }: { deadlines: PluginDeadlines; forbidden: readonly string[]; patient: boolean },
): Promise<VolumeDriver | undefined> {
  const asking = { timeoutMs: deadlines.askMs, patienceMs: 0 };
  const working = { timeoutMs: deadlines.workMs, patienceMs };
  const { Implements } = await callPlugin(address, "Plugin.Activate", {}, patient ? { ...asking, patienceMs } : asking);
  if (!Array.isArray(Implements) || !Implements.includes("VolumeDriver")) return undefined;
  const ask = (method: string, body: Record<string, unknown>) =>
    callPlugin(address, `VolumeDriver.${method}`, body, asking);
  const work = (method: string, body: Record<string, unknown>) =>
    callPlugin(address, `VolumeDriver.${method}`, body, working);
  const { Capabilities } = await ask("Capabilities", {});
  const scope = (Capabilities as { Scope?: unknown } | undefined)?.Scope === "global" ? "global" : "local";
  const unmount = (name: string, user: string) => work("Unmount", { Name: name, ID: user });
  const inspect = async (name: string): Promise<DriverStatus | undefined> => {
    try {
      const { Volume } = await ask("Get", { Name: name });
      return statusOf(Volume);
    } catch (error) {
      // protocol: an unknown volume is an error in the plugin's own words
      if (error instanceof EngineError && error.kind === "internal") return undefined;
      throw error;
    }
  };

  return {
    name: address.name,
    scope,
    validate() {
      // its options are its own
    },
    async create({ name, options }) {
      await work("Create", { Name: name, Opts: options });
    },
    async remove({ name }) {
      try {
        await work("Remove", { Name: name });
      } catch (error) {
        if ((await inspect(name)) !== undefined) throw error; // else it was removed before
      }
    },
    path: () => "",
    mounts: () => true,
    async mount({ name }, user) {
      const { Mountpoint } = await work("Mount", { Name: name, ID: user });
      try {
        return await checkedPath(Mountpoint, address.name, forbidden);
      } catch (error) {
        await unmount(name, user).catch(() => undefined); // the lie is what matters
        throw error;
      }
    },
    async unmount({ name }, user) {
      await unmount(name, user);
    },
    beside: () => undefined,
    resize: () =>
      Promise.reject(
        new EngineError(
          "not-implemented",
          `volumes of the driver ${address.name} have no size that the engine can change`,
        ),
      ),
    inspect: ({ name }) => inspect(name),
    async list() {
      const { Volumes } = await ask("List", {});
      if (!Array.isArray(Volumes)) return [];
      return Volumes.flatMap((volume: unknown) => {
        const name = typeof volume === "object" && volume !== null && "Name" in volume ? volume.Name : undefined;
        const status = statusOf(volume);
        return typeof name === "string" && name !== "" && status ? [{ ...status, name }] : [];
      });
    },
  };
}

function statusOf(value: unknown): DriverStatus | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { Mountpoint, Status } = value as { Mountpoint?: unknown; Status?: unknown };
  return {
    mountpoint: typeof Mountpoint === "string" ? Mountpoint : "",
    ...(typeof Status === "object" && Status !== null && { status: Status as Record<string, unknown> }),
  };
}

/** The folder that a plugin says it has mounted. It must be one, and nothing that is the engine's or the whole host's. */
async function checkedPath(value: unknown, plugin: string, forbidden: readonly string[]): Promise<string> {
  const lie = (why: string): EngineError =>
    new EngineError(
      "internal",
      `VolumeDriver.Mount: the plugin ${plugin} gave ${JSON.stringify(value) ?? "no"} as the mountpoint: ${why}`,
      {
        plugin,
      },
    );
  if (typeof value !== "string" || value === "") throw lie("that is no path");
  if (!isAbsolute(value) || value.includes("\0") || value.length > 4095) throw lie("that is no absolute path");
  const path = await realpath(normalize(value)).catch(() => undefined);
  if (path === undefined) throw lie("there is no such folder");
  if (!(await stat(path)).isDirectory()) throw lie("that is no folder");
  if (path === "/" || forbidden.some((folder) => `${folder}/`.startsWith(`${path}/`) || path.startsWith(`${folder}/`)))
    throw lie("that holds the engine's own data");
  return path;
}
