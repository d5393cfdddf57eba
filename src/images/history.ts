import type { OciHistory } from "../spec/oci/image.ts";
import type { ImageDeps } from "./deps.ts";

export type HistoryEntry = OciHistory & { imageId: string; layerBytes: number; references: readonly string[] };

/** Steps of an image, newest first. Steps whose own image is not here have no id. */
export function history(deps: ImageDeps, reference: string, options: { platform?: string } = {}): HistoryEntry[] {
  const image = deps.book.resolve(reference, options);
  let layer = 0;
  const entries: HistoryEntry[] = (image.config.history ?? []).map((step) => {
    const chainId = step.empty_layer ? undefined : image.chainIds[layer++];
    return {
      ...step,
      imageId: "",
      references: [],
      layerBytes: chainId !== undefined && deps.layers.has(chainId) ? deps.layers.size(chainId).sizeBytes : 0,
    };
  });
  entries.reverse();
  let known: typeof image | undefined = image;
  // moby parity: the newest step has the image's id, the one below its parent's, as far as parents are here
  for (let index = 0; index < entries.length && known; index++) {
    const entry = entries[index];
    if (entry) entries[index] = { ...entry, imageId: known.id, references: known.references };
    known = deps.book.get(known.parent);
  }
  return entries;
}
