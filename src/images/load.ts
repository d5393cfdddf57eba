import { EngineError } from "../base/errors.ts";
import type { ImageDeps } from "./deps.ts";

export async function load(_deps: ImageDeps, ..._rest: unknown[]): Promise<never> {
  throw new EngineError("not-implemented", "load is not there yet");
}
