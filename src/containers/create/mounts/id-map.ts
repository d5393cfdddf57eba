import { EngineError } from "../../../base/errors.ts";
import type { IdMapPlan, IdRange } from "../../plan.ts";

const maxRanges = 340; // user_namespaces(7): lines of a map
const maxId = 2 ** 32 - 2; // the last one means "no id"

/**
 * Reads `auto`, or `uids=<on disk>-<in the container>-<count>[#...];gids=...` (the form that podman and crun have).
 * What is not mapped is shown as nobody, and cannot be written as. Throws invalid.
 */
export function parseIdMap(text: string): IdMapPlan {
  if (text === "auto" || text === "true" || text === "") return "auto";
  const bad = (why: string): never => {
    throw new EngineError("invalid", `invalid idmap ${JSON.stringify(text)}: ${why}`, { idmap: text });
  };
  const found: { uids?: IdRange[]; gids?: IdRange[] } = {};
  for (const part of text.split(";").filter((word) => word !== "")) {
    const [, kind = "", rows = ""] = /^(uids|gids)=(.+)$/.exec(part) ?? [];
    if (kind !== "uids" && kind !== "gids") return bad("it is made of uids=... and gids=...");
    if (found[kind]) return bad(`${kind} is given twice`);
    if (rows.startsWith("@")) return bad("maps relative to a user namespace are not supported");
    found[kind] = rows.split("#").map((row) => {
      const [, disk = "", seen = "", count = ""] = /^(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(row) ?? [];
      const range = { disk: Number(disk), seen: Number(seen), count: Number(count) };
      if (disk === "" || range.count < 1)
        return bad(`${JSON.stringify(row)} is no range: <on disk>-<in the container>-<count>`);
      if (Math.max(range.disk, range.seen) + range.count - 1 > maxId) return bad(`${row} goes beyond the last id`);
      return range;
    });
  }
  const uids = found.uids ?? found.gids ?? [];
  const gids = found.gids ?? uids;
  for (const ranges of [uids, gids]) {
    if (ranges.length > maxRanges) bad(`more than ${maxRanges} ranges`);
    for (const side of ["disk", "seen"] as const) {
      const sorted = ranges.toSorted((a, b) => a[side] - b[side]);
      if (
        sorted.some(
          (range, index) =>
            index > 0 && range[side] < (sorted[index - 1]?.[side] ?? 0) + (sorted[index - 1]?.count ?? 0),
        )
      )
        bad("ranges overlap");
    }
  }
  return { uids, gids };
}
