import { EngineError } from "../base/errors.ts";
import type { Caller } from "../spec/caller.ts";
import type { ImageDeps } from "./deps.ts";
import type { PushOptions } from "./images.ts";

/** See `Images.push`. */
export async function push(
  _deps: ImageDeps,
  repository: string,
  _options: PushOptions & { readonly caller: Caller; readonly signal?: AbortSignal },
): Promise<void> {
  throw new EngineError("not-implemented", `pushing ${repository} is not available yet`);
}
