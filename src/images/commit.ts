import { EngineError } from "../base/errors.ts";
import type { ImageDeps } from "./deps.ts";

export async function commit(_deps: ImageDeps, ..._rest: unknown[]): Promise<never> {
  throw new EngineError("not-implemented", "commit is not there yet");
}
