import { EngineError } from "../../../base/errors.ts";
import type { Resources } from "../../../spec/engine/types.gen.ts";
import { ulimitNames } from "../../../spec/ulimit-names.ts";
import type { ProcessPlan } from "../../plan.ts";

type Ulimit = { readonly name: string; readonly soft: number; readonly hard: number };

/** The request's limits and those of the daemon it does not name. -1 = unlimited. Throws Docker's texts. */
export function planUlimits(
  own: NonNullable<Resources["Ulimits"]>,
  defaults: readonly Ulimit[],
): ProcessPlan["rlimits"] {
  const rows = own.map((row) => checked({ name: row.Name ?? "", soft: row.Soft ?? 0, hard: row.Hard ?? 0 }));
  const names = new Set(rows.map((row) => row.name));
  return [...rows, ...defaults.filter((row) => !names.has(row.name))];
}

function checked(limit: Ulimit): Ulimit {
  const { name, soft, hard } = limit;
  if (!ulimitNames.has(name)) throw new EngineError("invalid", `invalid ulimit type: ${name}`, { name });
  for (const value of [soft, hard]) {
    if (!Number.isSafeInteger(value) || value < -1)
      throw new EngineError("invalid", `invalid ulimit argument: ${name}=${soft}:${hard}`, { name });
  }
  const rule = "ulimit soft limit must be less than or equal to hard limit";
  if (hard !== -1 && soft === -1)
    throw new EngineError("invalid", `${rule}: soft: -1 (unlimited), hard: ${hard}`, { name });
  if (hard !== -1 && soft > hard) throw new EngineError("invalid", `${rule}: ${soft} > ${hard}`, { name });
  return limit;
}
