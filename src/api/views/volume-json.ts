import type { Volume } from "../../volumes/volume.ts";

/** A volume as API 1.51 has it; its time has seconds only, and local midnight is not a thing: UTC. */
export function volumeJson(volume: Volume, usage?: { bytes: number; references: number }) {
  return {
    CreatedAt: `${new Date(Number(volume.createdAtNs / 1_000_000n)).toISOString().slice(0, 19)}Z`,
    Driver: volume.driver,
    Labels: volume.anonymous || Object.keys(volume.labels).length > 0 ? sorted(volume.labels) : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? sorted(volume.options) : null,
    Scope: "local",
    ...(usage && { UsageData: { RefCount: usage.references, Size: usage.bytes } }),
  };
}

/** Go writes maps in the order of their keys. */
const sorted = (map: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
