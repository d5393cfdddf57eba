import type { ImageDeps } from "./deps.ts";

/** Bytes on the disk that images take: unpacked layers, what makes their archives again, and kept blobs, each once. */
export function layersBytes(deps: ImageDeps): number {
  let bytes = 0;
  for (const chainId of new Set(deps.book.list().flatMap((image) => image.chainIds)))
    if (deps.layers.has(chainId)) bytes += deps.layers.size(chainId).sizeBytes;
  for (const { sizeBytes } of deps.content.list()) bytes += sizeBytes;
  return bytes;
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
