import type { EngineClient } from "../../client/engine-client.ts";
import { alignTabs } from "../render/tabwriter.ts";
import { humanSize, shortId } from "../render/units.ts";

export type PlanType = "container" | "image" | "network" | "volume";

/** What `--dry-run` prints: what a prune would take now, and what that would free. */
export async function showPlans(
  engine: EngineClient,
  options: {
    types: readonly PlanType[];
    filters: (type: PlanType) => string | undefined;
    stdout: { write(text: string): unknown };
  },
): Promise<undefined> {
  const lines: string[] = [];
  let reclaimedBytes = 0;
  for (const type of options.types) {
    const plan = await engine.call("PrunePlan", { type, filters: options.filters(type) });
    reclaimedBytes += plan.SpaceReclaimed;
    for (const { ID, Names, Size } of plan.Items) {
      const id = type === "volume" ? ID : shortId(ID);
      const names = Names.filter((name) => name !== ID).join(", ");
      lines.push(`${type}\t${id}\t${names === "" ? "<none>" : names}\t${humanSize(Size, 3)}`);
    }
  }
  if (lines.length > 0)
    options.stdout.write(
      `${alignTabs(["WOULD REMOVE\tID\tNAME\tSIZE", ...lines].join("\n"), { minWidth: 10, padding: 3 })}\n\n`,
    );
  options.stdout.write(`Total reclaimable space: ${humanSize(reclaimedBytes)}\n`);
  return undefined;
}
