import { EngineError } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import { shortId } from "../../base/id.ts";
import type { Repository } from "../../distribution/registries.ts";
import type { Caller } from "../../spec/caller.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import { familiarName, familiarReference, parseReference, type Reference } from "../../spec/reference.ts";
import { hold, type ImageDeps } from "../deps.ts";
import { tell } from "../events.ts";
import { dropSpareBlobs } from "../garbage.ts";
import type { BookedImage } from "../books/image-book.ts";
import type { PushOptions } from "../images.ts";
import { openLayer, packLayer, travelBlob, type TravelLayer } from "./layer-blobs.ts";
import type { LayerBlob } from "../books/layer-book.ts";
import { all } from "./settle.ts";
import { throttle } from "./throttle.ts";
import { keptTravel, makeTravel, type Travel } from "./travel.ts";

type Options = PushOptions & { readonly caller: Caller; readonly signal?: AbortSignal };

/** See `Images.push`. */
export async function push(deps: ImageDeps, text: string, options: Options): Promise<void> {
  const named = parseReference(text);
  const tag = options.tag === "" ? named.tag : options.tag;
  if (named.digest !== undefined) throw new EngineError("invalid", "cannot push a digest reference"); // moby parity
  const { credentials } = options;
  const repository = deps.registries.repository(named, credentials ? { credentials } : {});
  options.report({ status: `The push refers to repository [${repository.name}]` });
  const tags = tag === undefined ? tagsOf(deps, named) : [{ ...named, tag }];
  for (const reference of tags) await pushTag(deps, repository, reference, options);
}

/** All tags of the repository that are here. */
function tagsOf(deps: ImageDeps, named: Reference): Reference[] {
  const name = familiarName(named);
  const tags = deps.book
    .pointers()
    .filter(({ isDigest }) => !isDigest)
    .map(({ reference }) => parseReference(reference))
    .filter((reference) => familiarName(reference) === name)
    .sort((a, b) => ((a.tag ?? "") < (b.tag ?? "") ? -1 : 1));
  if (tags.length > 0) return tags;
  throw new EngineError("not-found", `An image does not exist locally with the tag: ${name}`); // moby parity
}

async function pushTag(deps: ImageDeps, repository: Repository, reference: Reference, options: Options): Promise<void> {
  const text = familiarReference(reference);
  const primary = deps.book.pointed(text);
  if (!primary) throw new EngineError("not-found", `tag does not exist: ${text}`); // moby parity
  const target = deps.book.targetOf(text);
  const index = deps.book.documents.get(target)?.document.kind === "index" ? target : "";
  const whole =
    index !== "" && options.platform === "" ? await wholeIndex(deps, repository, index, options) : undefined;
  const images = whole?.images ?? [deps.book.resolve(text, { platform: options.platform })];
  const cancel = options.signal ? { signal: options.signal } : {};

  using _held = hold(
    deps,
    images.flatMap(({ chainIds }) => chainIds),
  );
  using lease = deps.content.lease();
  const context: PushContext = { ...options, deps, repository, lease: (digest) => lease.keep(digest) };
  const travels: Travel[] = [];
  for (const image of images) travels.push(await pushLayers(context, image, target));
  for (const { image, value } of travels)
    await repository.pushBlob(value.config, (offset) => bytesFrom(image.configBytes, offset), cancel);

  fault("image.push.before-manifest");
  const [first] = travels;
  if (!first) throw new EngineError("internal", `nothing to push for ${text}`);
  const name = reference.tag ?? "latest";
  const top = whole
    ? { digest: index, mediaType: whole.mediaType, bytes: deps.book.documents.bytes(index) }
    : first.manifest;
  if (whole) for (const { manifest } of travels) await repository.pushManifest(manifest.digest, manifest, cancel);
  const stored = await repository.pushManifest(name, top, cancel);
  fault("image.push.after-manifest");

  const blobs = travels.flatMap(({ layers }) =>
    layers.flatMap((layer) => deps.book.layers.get(layer.descriptor.digest) ?? []),
  );
  deps.book.layers.add(blobs, repository.name);
  // it may have been removed meanwhile: the push is as good
  if (deps.book.get(first.image.id))
    deps.book.point(`${familiarName(reference)}@${stored.digest}`, first.image.id, {
      target: stored.digest,
      digest: true,
    });
  if (target === "" && deps.book.pointed(text)?.id === primary.id)
    deps.book.point(text, primary.id, { target: stored.digest });
  dropSpareBlobs(deps, blobs);
  options.report({ status: `${name}: digest: ${stored.digest} size: ${top.bytes.length}` });
  options.report({ aux: { Tag: name, Digest: stored.digest, Size: top.bytes.length } });
  if (index !== "" && !whole && options.platform === "") options.report({ aux: insteadOfIndex(deps, index, first) });
  tell(deps, "push", primary, text, options.caller);
}

interface PushContext extends Options {
  readonly deps: ImageDeps;
  readonly repository: Repository;
  readonly lease: (digest: string) => void;
}

/** Sends the layers of one image that the repository misses, the topmost first told, as docker does. */
async function pushLayers(context: PushContext, image: BookedImage, target: string): Promise<Travel> {
  const { deps, report } = context;
  const kept = keptTravel(deps, image, target);
  const order = image.config.rootfs.diff_ids.map((diffId, index) => ({ diffId, chainId: image.chainIds[index] ?? "" }));
  for (const { diffId } of unique([...order].reverse())) report({ id: shortId(diffId), status: "Preparing" });
  const sent = new Map<string, Promise<LayerBlob>>();
  const failed = new AbortController();
  const signal = context.signal ? AbortSignal.any([failed.signal, context.signal]) : failed.signal;
  const send = async (layer: (typeof order)[number], index: number): Promise<LayerBlob> => {
    try {
      const descriptor = kept?.value.layers[index];
      const known = descriptor ? blobOf(descriptor, layer.diffId) : travelBlob(deps, layer.diffId, layer.chainId);
      const tellPacked = throttle((bytes) =>
        report({
          id: shortId(layer.diffId),
          status: "Preparing",
          current: bytes,
          total: deps.layers.size(layer.chainId).tarBytes,
        }),
      );
      const blob = known ?? (await packLayer(deps, layer, { signal, packed: tellPacked }));
      context.lease(blob.digest);
      fault("image.push.after-pack");
      await sendLayer(
        { ...context, signal },
        {
          ...layer,
          descriptor: descriptor ?? { mediaType: blob.mediaType, digest: blob.digest, size: blob.sizeBytes },
        },
      );
      return blob;
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  const key = (diffId: string, index: number): string => kept?.value.layers[index]?.digest ?? diffId;
  for (const [index, layer] of order.entries()) {
    const name = key(layer.diffId, index);
    if (!sent.has(name)) sent.set(name, send(layer, index));
  }
  await all([...sent.values()]);
  const blobs = await Promise.all(order.map(async ({ diffId }, index) => sent.get(key(diffId, index)))); // all are done
  return (
    kept ??
    makeTravel(
      deps,
      image,
      blobs.flatMap((blob) => blob ?? []),
    )
  );
}

async function sendLayer(context: PushContext, layer: TravelLayer): Promise<void> {
  const { deps, repository, report, signal } = context;
  const { descriptor } = layer;
  const id = shortId(layer.diffId);
  if (descriptor.mediaType.includes("foreign") || descriptor.mediaType.includes("nondistributable"))
    return report({ id, status: "Skipped foreign layer" }); // moby parity: it stays at its own address
  const sent = throttle((current) => report({ id, status: "Pushing", current, total: descriptor.size }));
  let from = "";
  const result = await repository.pushBlob(
    descriptor,
    (offsetBytes) => openLayer(deps, layer, { offsetBytes, ...(signal && { signal }) }),
    {
      ...(signal && { signal }),
      from: neighbours(deps, repository, descriptor.digest),
      mounted: (path) => void (from = path),
      sent: (bytes) => {
        fault("image.push.mid-layer");
        if (bytes < descriptor.size) sent(bytes);
      },
    },
  );
  switch (result) {
    case "exists":
      return report({ id, status: "Layer already exists" });
    case "mounted":
      return report({ id, status: `Mounted from ${from}` });
    case "uploaded":
      report({ id, status: "Pushing", current: descriptor.size, total: descriptor.size });
      return report({ id, status: "Pushed" });
  }
}

const maxMounts = 4; // moby parity: a registry that refuses every one must not be asked for ever

/** Paths of other repositories of the registry that are known to have the blob. */
function neighbours(deps: ImageDeps, repository: Repository, digest: string): string[] {
  const { domain } = parseReference(repository.name);
  return deps.book.layers
    .places(digest)
    .filter((place) => place !== repository.name)
    .map((place) => parseReference(place))
    .filter((place) => place.domain === domain)
    .map(({ path }) => path)
    .slice(0, maxMounts);
}

/** The index with all its images, if all of its manifests are here or at the repository already. */
async function wholeIndex(
  deps: ImageDeps,
  repository: Repository,
  index: string,
  options: Options,
): Promise<{ mediaType: string; images: readonly BookedImage[] } | undefined> {
  const stored = deps.book.documents.get(index);
  if (stored?.document.kind !== "index") return undefined;
  const images: BookedImage[] = [];
  for (const { digest } of stored.document.value.manifests) {
    const imageId = deps.book.documents.get(digest)?.imageId ?? "";
    const image = deps.book.get(imageId);
    if (image && keptTravel(deps, image, index)?.manifest.digest === digest) {
      images.push(image);
      continue;
    }
    try {
      await repository.resolve(digest, options.signal ? { signal: options.signal } : {});
    } catch (error) {
      if (options.signal?.aborted) throw error;
      return undefined; // the index would point to nothing
    }
  }
  return images.length === 0 ? undefined : { mediaType: stored.descriptor.mediaType, images };
}

/** What Docker 28 tells its client when one platform went instead of all. */
function insteadOfIndex(deps: ImageDeps, index: string, sent: Travel): Record<string, unknown> {
  const original: OciDescriptor | undefined = deps.book.documents.get(index)?.descriptor;
  return {
    manifestPushedInsteadOfIndex: true,
    originalIndex: original,
    selectedManifest: {
      mediaType: sent.manifest.mediaType,
      digest: sent.manifest.digest,
      size: sent.manifest.bytes.length,
    },
  };
}

const blobOf = ({ digest, mediaType, size }: OciDescriptor, diffId: string): LayerBlob => ({
  digest,
  mediaType,
  sizeBytes: size,
  diffId,
});

const unique = <T extends { diffId: string }>(layers: readonly T[]): T[] => [
  ...new Map(layers.map((layer) => [layer.diffId, layer])).values(),
];

async function* bytesFrom(bytes: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(offset);
}
