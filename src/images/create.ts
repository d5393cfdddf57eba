import { fault } from "../base/fault.ts";
import type { Caller } from "../spec/caller.ts";
import { chainIds } from "./chain-id.ts";
import { readConfig } from "./config.ts";
import { hold, type ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";
import type { BookedImage } from "./books/image-book.ts";

/** Adds an image whose layers are in the store already. See `Images.create`. */
export function createImage(
  deps: ImageDeps,
  options: { configBytes: Uint8Array; parent?: string; references: readonly string[]; caller: Caller },
): BookedImage {
  const config = readConfig(options.configBytes);
  const chain = chainIds(config.rootfs.diff_ids);
  using _held = hold(deps, chain);
  const sizeBytes = chain.reduce((sum, chainId) => sum + deps.layers.size(chainId).sizeBytes, 0);
  for (const chainId of chain) deps.layers.keepLayer(chainId);
  fault("image.load.after-blob");
  const image = deps.book.add({
    configBytes: options.configBytes,
    sizeBytes,
    references: options.references,
    ...(options.parent !== undefined && { parent: options.parent }),
  });
  fault("image.load.after-row");
  for (const reference of options.references) tell(deps, "tag", image, reference, options.caller);
  return image;
}
