import { EngineError } from "../base/errors.ts";
import type { ImageDeps } from "./deps.ts";

export async function save(_deps: ImageDeps, ..._rest: unknown[]): Promise<never> {
  throw new EngineError("not-implemented", "save is not there yet");
}
