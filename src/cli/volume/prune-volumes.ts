import type { EngineClient } from "../../client/engine-client.ts";

/** Prunes volumes; `volume prune` and `system prune` print the same. */
export async function pruneVolumes(
  engine: EngineClient,
  filters: string | undefined,
): Promise<{ text: string; reclaimedBytes: number }> {
  const { VolumesDeleted: names, SpaceReclaimed: reclaimed } = await engine.call("VolumePrune", { filters });
  return {
    text: (names ?? []).length === 0 ? "" : `Deleted Volumes:\n${(names ?? []).join("\n")}\n`,
    reclaimedBytes: reclaimed ?? 0,
  };
}
