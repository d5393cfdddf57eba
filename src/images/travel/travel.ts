import { EngineError } from "../../base/errors.ts";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { OciManifest } from "../../spec/oci/manifest.ts";
import { sha256 } from "../chain-id.ts";
import type { ImageDeps } from "../deps.ts";
import type { NewDocument, StoredDocument } from "../books/document-book.ts";
import type { BookedImage } from "../books/image-book.ts";
import { canBeHad, descriptorOf, type TravelLayer } from "./layer-blobs.ts";
import type { LayerBlob } from "../books/layer-book.ts";

/** An image ready to leave: its manifest's bytes and the layers that these name. */
export interface Travel {
  readonly image: BookedImage;
  readonly manifest: NewDocument;
  readonly value: OciManifest;
  readonly layers: readonly TravelLayer[];
}

/**
 * The manifest by which an image came here (or left before), as long as every blob that it names can still be had:
 * the same digest then. `target` is the reference's manifest or index. undefined for an image that never travelled.
 */
export function keptTravel(deps: ImageDeps, image: BookedImage, target: string): Travel | undefined {
  const { documents } = deps.book;
  const own = documents.entries(target).flatMap(({ stored }) => (stored?.imageId === image.id ? [stored] : []));
  for (const stored of [...own, ...documents.manifestsOf(image.id)]) {
    const travel = travelBy(deps, image, stored);
    if (travel?.layers.every((layer) => canBeHad(deps, layer))) return travel;
  }
  return undefined;
}

function travelBy(deps: ImageDeps, image: BookedImage, stored: StoredDocument): Travel | undefined {
  if (stored.document.kind !== "manifest") return undefined;
  const { value, mediaType } = stored.document;
  const { digest } = stored.descriptor;
  return {
    image,
    value,
    manifest: { digest, mediaType, bytes: deps.book.documents.bytes(digest) },
    layers: value.layers.map((descriptor, index) => layerOf(image, descriptor, index)),
  };
}

/** Makes a manifest of blobs, one per layer of the image, and keeps it. Docker's form, unless a blob needs OCI's. */
export function makeTravel(deps: ImageDeps, image: BookedImage, blobs: readonly LayerBlob[]): Travel {
  if (blobs.length !== image.chainIds.length)
    throw new EngineError("internal", `image ${image.id} has ${image.chainIds.length} layers, not ${blobs.length}`);
  const isOci = blobs.some(({ mediaType }) => mediaType.includes("zstd"));
  const type = ({ mediaType }: LayerBlob): string => {
    if (mediaType.includes("zstd")) return mediaTypes.ociLayerZstd;
    const isPlain = mediaType.endsWith(".tar");
    if (isOci) return isPlain ? mediaTypes.ociLayer : mediaTypes.ociLayerGzip;
    return isPlain ? "application/vnd.docker.image.rootfs.diff.tar" : mediaTypes.dockerLayerGzip;
  };
  const mediaType = isOci ? mediaTypes.ociManifest : mediaTypes.dockerManifest;
  const value: OciManifest = {
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: isOci ? mediaTypes.ociConfig : mediaTypes.dockerConfig,
      size: image.configBytes.length,
      digest: image.id,
    },
    layers: blobs.map((blob) => ({ ...descriptorOf(blob), mediaType: type(blob) })),
  };
  // moby parity: three spaces, so that the same layers have the same manifest's digest there and here
  const bytes = Buffer.from(JSON.stringify(value, undefined, 3));
  const manifest: NewDocument = { digest: sha256(bytes), mediaType, bytes };
  deps.book.addDocuments([{ ...manifest, imageId: image.id }]);
  return { image, manifest, value, layers: value.layers.map((layer, index) => layerOf(image, layer, index)) };
}

const layerOf = (image: BookedImage, descriptor: OciDescriptor, index: number): TravelLayer => ({
  descriptor,
  diffId: image.config.rootfs.diff_ids[index] ?? "",
  chainId: image.chainIds[index] ?? "",
});
