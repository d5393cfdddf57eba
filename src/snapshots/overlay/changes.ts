import { EngineError } from "../../base/errors.ts";
import type { Change } from "../snapshotter.ts";

/** What lies in `upper` against the lower layers (topmost first), sorted by path. */
export async function upperChanges(upper: string, _lower: readonly string[]): Promise<readonly Change[]> {
  throw new EngineError("not-implemented", `changes of ${upper} are not read yet`);
}
