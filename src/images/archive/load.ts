import type { Readable } from "node:stream";
import { fault } from "../../base/fault.ts";
import { shortId } from "../../base/id.ts";
import { decompress } from "../../content/decompress.ts";
import type { Lease } from "../../content/store.ts";
import type { StagedLayer } from "../../snapshots/layers.ts";
import type { Caller } from "../../spec/caller.ts";
import { isAci } from "../aci/detect.ts";
import { loadAci } from "../aci/load.ts";
import type { LayerBlob } from "../books/layer-book.ts";
import { hold, type ImageDeps } from "../deps.ts";
import { tell } from "../events.ts";
import { dropSpareBlobs } from "../garbage.ts";
import type { LoadedImage, Report } from "../images.ts";
import { parsePlatform } from "../platform.ts";
import { removeUnusedLayers } from "../remove.ts";
import { type DescribedImage, describeImages } from "./describe.ts";
import { badImage, ImageArchive } from "./receive.ts";

export interface LoadOptions {
  readonly quiet: boolean;
  /** Only images of these platforms; all when absent. */
  readonly platforms?: readonly string[];
  readonly report: Report;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

const turnTimeoutMs = 60 * 1000; // a commit is a rename

/** Takes in every image of an archive, or none: rows are written once all layers of all images are verified. */
export async function load(deps: ImageDeps, tar: Readable, options: LoadOptions): Promise<LoadedImage[]> {
  const platforms = (options.platforms ?? []).map((text) => parsePlatform(text));
  const { first, whole } = await withHead(decompress(tar));
  if (isAci(first)) return loadAci(deps, whole, options);
  await using here = new LayersHere(deps);
  await using archive = await ImageArchive.receive(whole, {
    content: deps.content,
    layers: deps.layers,
    known: (digest) => here.known(digest),
    progress: ({ name, current, total }) => {
      if (!options.quiet) options.report({ id: layerName(name), status: "Loading layer", current, total });
    },
    ...(options.signal && { signal: options.signal }),
  });
  const described = await describeImages(archive, { platforms, isHere: (chainId) => deps.layers.has(chainId) });
  const chains = [...new Set(described.flatMap((image) => image.chainIds))];
  const held = hold(deps, chains);
  using lease = deps.content.lease();
  try {
    const seen = new Set<string>();
    for (const image of described) await bringLayers(deps, { archive, image, options, seen });
    const blobs = await keepBlobs(deps, { archive, described, seen, lease });
    fault("image.load.after-blob");
    const loaded = described.flatMap((image) => book(deps, image, options));
    fault("image.load.after-row");
    dropSpareBlobs(deps, blobs);
    return loaded;
  } catch (error) {
    held[Symbol.dispose](); // else removal leaves them
    await removeUnusedLayers(deps, chains);
    throw error;
  } finally {
    held[Symbol.dispose]();
  }
}

/** Layers that are here when a load begins. Those that it counts on are held until its end, whoever removes images. */
class LayersHere implements AsyncDisposable {
  readonly #deps: ImageDeps;
  readonly #byDiffId: ReadonlyMap<string, readonly { readonly chainId: string; readonly irregular: boolean }[]>;
  readonly #held = new Map<string, Disposable>();

  constructor(deps: ImageDeps) {
    this.#deps = deps;
    const layers = deps.layers.layers().map((chainId) => ({ chainId, ...deps.layers.size(chainId) }));
    this.#byDiffId = Map.groupBy(layers, ({ diffId }) => diffId);
  }

  /** See `ReceiveOptions.known`. */
  known(digest: string): "bytes" | "content" | undefined {
    const { book, content } = this.#deps;
    const diffId = book.layers.get(digest)?.diffId ?? digest;
    const there = (this.#byDiffId.get(diffId) ?? []).filter(({ chainId }) => this.#deps.layers.has(chainId));
    if (there.length === 0) return undefined;
    const isKept = digest === diffId || content.has(digest);
    if (!isKept || there.every(({ irregular }) => irregular)) return "content";
    for (const { chainId } of there) if (!this.#held.has(chainId)) this.#held.set(chainId, hold(this.#deps, [chainId]));
    return "bytes";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const held of this.#held.values()) held[Symbol.dispose]();
    await removeUnusedLayers(this.#deps, [...this.#held.keys()]);
  }
}

const headBytes = 64 * 1024; // a few members: enough to tell the formats apart

async function withHead(source: AsyncIterable<Uint8Array>) {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let ended = false;
  while (bytes < headBytes && !ended) {
    const next = await iterator.next();
    ended = next.done === true;
    if (next.done === true) break;
    chunks.push(next.value);
    bytes += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* chunks.splice(0);
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { first: Buffer.concat(chunks), whole: all() };
}

/** `blobs/sha256/<hex>`, or `<hex>/layer.tar` of older engines. */
const layerName = (member: string): string => shortId((/[0-9a-f]{64,}/.exec(member)?.[0] ?? member).slice(0, 64));

/** `seen` gets the members whose content was compared with what the configuration says. */
async function bringLayers(
  deps: ImageDeps,
  {
    archive,
    image,
    options,
    seen,
  }: { archive: ImageArchive; image: DescribedImage; options: LoadOptions; seen: Set<string> },
): Promise<void> {
  for (const [at, chainId] of image.chainIds.entries()) {
    if (deps.layers.has(chainId)) {
      deps.layers.keepLayer(chainId);
      continue;
    }
    const diffId = image.config.rootfs.diff_ids[at] ?? "";
    const member = image.layers[at]?.member ?? "";
    const own = await archive.layer(member);
    await using staged = own ?? (await again(deps, diffId, options.signal));
    if (staged?.applied.diffId !== diffId)
      throw badImage(`invalid diffID for layer ${at}: expected "${diffId}", got "${staged?.applied.diffId ?? ""}"`);
    if (own) seen.add(member);
    using _turn = await deps.locks.acquire(chainId, { timeoutMs: turnTimeoutMs, what: `layer ${chainId}` });
    await staged.commit(chainId, { parent: image.chainIds[at - 1] });
    deps.layers.keepLayer(chainId);
  }
}

/** The layer once more, for another place in a chain, from where it was committed first. */
async function again(deps: ImageDeps, diffId: string, signal?: AbortSignal): Promise<StagedLayer | undefined> {
  const there = deps.layers.layers().find((chainId) => deps.layers.size(chainId).diffId === diffId);
  return there === undefined
    ? undefined
    : deps.layers.stage(deps.layers.tar(there) as AsyncIterable<Buffer>, signal ? { signal } : {});
}

/** Keeps compressed layers as they came, so that they leave with the same digests. */
async function keepBlobs(
  deps: ImageDeps,
  {
    archive,
    described,
    seen,
    lease,
  }: {
    archive: ImageArchive;
    described: readonly DescribedImage[];
    seen: ReadonlySet<string>;
    lease: Lease;
  },
): Promise<LayerBlob[]> {
  const kept: LayerBlob[] = [];
  for (const image of described) {
    for (const [at, { member, descriptor }] of image.layers.entries()) {
      if (!descriptor || !archive.has(member) || !archive.file(member).isPacked) continue;
      const { digest, mediaType, size } = descriptor;
      if (kept.some((blob) => blob.digest === digest)) continue;
      // of a layer that was here already the archive only says what it holds
      const diffId = seen.has(member) ? (image.config.rootfs.diff_ids[at] ?? "") : "";
      const blob = { digest, mediaType, sizeBytes: size, diffId };
      lease.keep(digest);
      // rows first: what a crash leaves of the blobs is known, and the next start removes it
      deps.book.layers.add([blob]);
      const spool = archive.spool(member);
      if (spool && !deps.content.has(digest)) await deps.content.keep(spool);
      kept.push(blob);
    }
  }
  return kept;
}

function book(deps: ImageDeps, image: DescribedImage, options: LoadOptions): LoadedImage[] {
  const { references, digests, target, manifest, indexes, configBytes, chainIds } = image;
  const moved = new Map(references.map((reference) => [reference, deps.book.pointed(reference)]));
  const sizeBytes = chainIds.reduce((sum, chainId) => sum + deps.layers.size(chainId).sizeBytes, 0);
  const booked = deps.book.add({
    ...{ configBytes, sizeBytes, references, digests, target, indexes },
    ...(manifest && { manifest }),
  });
  for (const [reference, before] of moved) {
    if (
      before &&
      before.id !== booked.id &&
      !before.variantOf.includes(reference) &&
      deps.book.pointed(reference)?.id === booked.id
    )
      options.report({
        stream: `The image ${reference} already exists, renaming the old one with ID ${before.id} to empty string\n`,
      });
  }
  for (const reference of references) tell(deps, "tag", booked, reference, options.caller);
  tell(deps, "load", booked, booked.id, options.caller);
  return references.length === 0
    ? [{ image: booked, reference: "" }]
    : references.map((reference) => ({ image: booked, reference }));
}
