import type { BookedImage } from "./books/image-book.ts";
import type { ImageDeps } from "./deps.ts";

/** Bytes of the files of images' layers and of kept blobs, each once; without asking the disk. */
export function layersBytes(deps: ImageDeps): number {
  let bytes = 0;
  for (const chainId of new Set(deps.book.list().flatMap((image) => image.chainIds)))
    if (deps.layers.has(chainId)) bytes += deps.layers.size(chainId).sizeBytes;
  for (const { sizeBytes } of deps.content.list()) bytes += sizeBytes;
  return bytes;
}

const blockBytes = 4096;

/** What `du` says of the folders of images' layers and of blobs. Layers of a build's cache alone are the builder's. */
export async function diskBytes(deps: ImageDeps): Promise<number> {
  const layers = await deps.layers.diskBytes([...new Set(deps.book.list().flatMap(({ chainIds }) => chainIds))]);
  return deps.content
    .list()
    .reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / blockBytes) * blockBytes, layers);
}

/** For each image the bytes of layers that no other image has. */
export function uniqueBytes(deps: ImageDeps): Map<string, number> {
  const users = new Map<string, number>();
  for (const { chainIds } of deps.book.list())
    for (const chainId of chainIds) users.set(chainId, (users.get(chainId) ?? 0) + 1);
  return new Map(
    deps.book
      .list()
      .map(({ id, chainIds }) => [
        id,
        chainIds.reduce(
          (sum, chainId) =>
            sum + (users.get(chainId) === 1 && deps.layers.has(chainId) ? deps.layers.size(chainId).sizeBytes : 0),
          0,
        ),
      ]),
  );
}

/** Bytes that removing these images frees: layers and blobs that no other image has. */
export function bytesOf(deps: ImageDeps, gone: ReadonlySet<string>): number {
  const parts = (images: readonly BookedImage[]): { chains: Set<string>; diffs: Set<string> } => ({
    chains: new Set(images.flatMap(({ chainIds }) => chainIds)),
    diffs: new Set(images.flatMap(({ config }) => config.rootfs.diff_ids)),
  });
  const left = parts(deps.book.list().filter(({ id }) => !gone.has(id)));
  const going = parts(deps.book.list().filter(({ id }) => gone.has(id)));
  let bytes = 0;
  for (const chainId of going.chains.difference(left.chains))
    if (deps.layers.has(chainId)) bytes += deps.layers.size(chainId).sizeBytes;
  for (const diffId of going.diffs.difference(left.diffs))
    for (const { digest } of deps.book.layers.ofDiffId(diffId))
      if (deps.content.has(digest)) bytes += deps.content.sizeBytes(digest);
  return bytes;
}
