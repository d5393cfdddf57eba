import type { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";

/** A layer tar of `upper`. */
export function upperTar(upper: string): Readable {
  throw new EngineError("not-implemented", `the layer of ${upper} is not made yet`);
}
