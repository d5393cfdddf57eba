import { EngineError } from "../../base/errors.ts";
import { parseReference } from "../../spec/reference.ts";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { ImageDeps } from "../deps.ts";
import type { LayerBlob } from "../books/layer-book.ts";
import { asError } from "./settle.ts";

/** A layer of an image as it travels, and the unpacked one that it is here. */
export interface TravelLayer {
  readonly descriptor: OciDescriptor;
  readonly diffId: string;
  readonly chainId: string;
}

/** The blob is the plain archive itself, which the unpacked layer gives byte for byte. */
const isRebuildable = (deps: ImageDeps, { descriptor, diffId, chainId }: TravelLayer): boolean =>
  descriptor.digest === diffId && deps.layers.has(chainId) && !deps.layers.size(chainId).irregular;

/** Whether the blob's bytes are on this machine. */
export const isHere = (deps: ImageDeps, layer: TravelLayer): boolean =>
  deps.content.has(layer.descriptor.digest) || isRebuildable(deps, layer);

/** Whether the blob's bytes are here, or some repository is known to have them. */
export const canBeHad = (deps: ImageDeps, layer: TravelLayer): boolean =>
  isHere(deps, layer) || deps.book.layers.places(layer.descriptor.digest).length > 0;

/**
 * The bytes of a layer's blob from an offset on: as they are kept, made again from the unpacked layer, or fetched
 * again (and then kept) from a repository that is known to have them. Throws not-found when none of it works.
 */
export async function* openLayer(
  deps: ImageDeps,
  layer: TravelLayer,
  options: { offsetBytes?: number; signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void> {
  const { offsetBytes = 0, signal } = options;
  const { digest } = layer.descriptor;
  if (!deps.content.has(digest) && isRebuildable(deps, layer)) {
    let skip = offsetBytes;
    for await (const chunk of deps.layers.tar(layer.chainId)) {
      signal?.throwIfAborted();
      const bytes = chunk as Buffer;
      if (skip < bytes.length) yield skip === 0 ? bytes : bytes.subarray(skip);
      skip = Math.max(0, skip - bytes.length);
    }
    return;
  }
  await fetchLayer(deps, layer, signal);
  yield* deps.content.read(digest, { offsetBytes }) as AsyncIterable<Buffer>;
}

/** Brings a blob that is not here from where it is known to be. */
export async function fetchLayer(deps: ImageDeps, { descriptor }: TravelLayer, signal?: AbortSignal): Promise<void> {
  const cancel = signal ? { signal } : {};
  let failure: unknown = new EngineError("not-found", `no repository is known to have layer ${descriptor.digest}`);
  for (const place of deps.book.layers.places(descriptor.digest)) {
    if (deps.content.has(descriptor.digest)) return;
    try {
      await using receiving = await deps.content.receive(
        { digest: descriptor.digest, sizeBytes: descriptor.size },
        cancel,
      );
      if (deps.content.has(descriptor.digest)) return;
      const repository = deps.registries.repository(parseReference(place));
      const blob = repository.blob(descriptor, { ...cancel, offsetBytes: receiving.offsetBytes });
      for await (const chunk of blob) await receiving.write(chunk);
      await receiving.commit();
      return;
    } catch (error) {
      if (signal?.aborted) throw error;
      failure = error; // the next place may have it
    }
  }
  if (!deps.content.has(descriptor.digest)) throw asError(failure);
}

/** The blob by which a layer travels: one that is here or can be had; undefined when it must be made. */
export function travelBlob(deps: ImageDeps, diffId: string, chainId: string): LayerBlob | undefined {
  const known = deps.book.layers.ofDiffId(diffId).filter((blob) => blob.digest !== diffId);
  const layerOf = (blob: LayerBlob): TravelLayer => ({ descriptor: descriptorOf(blob), diffId, chainId });
  return known.find((blob) => isHere(deps, layerOf(blob))) ?? known.find((blob) => canBeHad(deps, layerOf(blob)));
}

/**
 * Compresses a layer and keeps the blob: from then on it travels by these bytes. Throws `internal` when the unpacked
 * layer is not what it was.
 */
export async function packLayer(
  deps: ImageDeps,
  layer: { readonly diffId: string; readonly chainId: string },
  options: { signal?: AbortSignal; packed: (plainBytes: number) => void },
): Promise<LayerBlob> {
  const { diffId, chainId } = layer;
  const compression = deps.settings.compression();
  const hash = new Bun.CryptoHasher("sha256");
  let plainBytes = 0;
  async function* plain(): AsyncGenerator<Buffer, void> {
    for await (const chunk of plainLayer(deps, layer)) {
      hash.update(chunk);
      plainBytes += chunk.length;
      yield chunk;
      options.packed(plainBytes);
    }
    if (`sha256:${hash.digest("hex")}` !== diffId)
      throw new EngineError(
        "internal",
        `layer ${chainId} on the disk is not what was unpacked: run "berth system check --repair"`,
        { chainId },
      );
  }
  const { signal } = options;
  const info = await deps.content.ingest(
    deps.packers.pack(plain(), { compression, ...(signal && { signal }) }),
    signal ? { signal } : {},
  );
  const mediaType = compression === "gzip" ? mediaTypes.dockerLayerGzip : mediaTypes.ociLayerZstd;
  const blob = { digest: info.digest, mediaType, sizeBytes: info.sizeBytes, diffId };
  deps.book.layers.add([blob]);
  return blob;
}

/** The plain archive: from the unpacked layer, or from a kept blob of it where that cannot be. */
function plainLayer(
  deps: ImageDeps,
  { diffId, chainId }: { readonly diffId: string; readonly chainId: string },
): AsyncIterable<Buffer> {
  const useKept = deps.layers.size(chainId).irregular && deps.content.has(diffId);
  return (useKept ? deps.content.read(diffId) : deps.layers.tar(chainId)) as AsyncIterable<Buffer>;
}

export const descriptorOf = ({ mediaType, digest, sizeBytes }: LayerBlob): OciDescriptor => ({
  mediaType,
  size: sizeBytes,
  digest,
});
