import type { Volume } from "../../volumes/volume.ts";

/** A volume as API 1.51 has it; its time has seconds only, and local midnight is not a thing: UTC. */
export function volumeJson(
  volume: Volume & { readonly status?: Readonly<Record<string, unknown>> },
  usage?: { bytes: number; references: number },
) {
  return {
    // moby parity: what a plugin made by itself has no time
    ...(volume.createdAtNs > 0n && { CreatedAt: time(volume.createdAtNs) }),
    Driver: volume.driver,
    Labels: volume.anonymous || Object.keys(volume.labels).length > 0 ? sorted(volume.labels) : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? sorted(volume.options) : null,
    Scope: volume.scope,
    ...(volume.status && { Status: volume.status }),
    ...(usage && { UsageData: { RefCount: usage.references, Size: usage.bytes } }),
  };
}

const time = (ns: bigint): string => `${new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19)}Z`;

/** Go writes maps in the order of their keys. */
const sorted = (map: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
