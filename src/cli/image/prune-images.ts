import type { EngineClient } from "../../client/engine-client.ts";

/** What a prune says, and how much it freed. */
export interface Pruned {
  readonly text: string;
  readonly reclaimedBytes: number;
}

/** Prunes images; `image prune` and `system prune` print the same. */
export async function pruneImages(engine: EngineClient, filters: string | undefined): Promise<Pruned> {
  const { ImagesDeleted: deleted, SpaceReclaimed: reclaimed } = await engine.call("ImagePrune", { filters });
  const lines = (deleted ?? []).map(({ Untagged, Deleted }) =>
    Untagged ? `untagged: ${Untagged}\n` : `deleted: ${Deleted ?? ""}\n`,
  );
  return { text: lines.length === 0 ? "" : `Deleted Images:\n${lines.join("")}`, reclaimedBytes: reclaimed ?? 0 };
}
