import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { fault } from "../base/fault.ts";
import { shortId } from "../base/id.ts";
import { decompress } from "../content/decompress.ts";
import type { Spool } from "../content/store.ts";
import type { Caller } from "../spec/caller.ts";
import { type DescribedImage, describeImages } from "./archive-images.ts";
import { badImage, ImageArchive } from "./archive-in.ts";
import { chainIds } from "./chain-id.ts";
import { hold, type ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";
import type { LoadedImage, Report } from "./images.ts";
import { removeUnusedLayers } from "./remove.ts";

export interface LoadOptions {
  readonly quiet: boolean;
  readonly report: Report;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

const layerTimeoutMs = 30 * 60 * 1000; // another load may be unpacking the same big layer

/** Takes in every image of an archive, or none: rows are written once all layers of all images are verified. */
export async function load(deps: ImageDeps, tar: Readable, options: LoadOptions): Promise<LoadedImage[]> {
  await using archive = await ImageArchive.receive(tar, deps.content, options.signal);
  const described = await describeImages(archive);
  const chains = described.map((image) => chainIds(image.config.rootfs.diff_ids));
  const held = hold(deps, chains.flat());
  try {
    for (const [index, image] of described.entries())
      await unpackLayers(deps, archive, image, chains[index] ?? [], options);
    fault("image.load.after-blob");
    const loaded = described.flatMap((image, index) => book(deps, image, chains[index] ?? [], options));
    fault("image.load.after-row");
    return loaded;
  } catch (error) {
    held[Symbol.dispose](); // else removal leaves them
    await removeUnusedLayers(deps, [...new Set(chains.flat())]);
    throw error;
  } finally {
    held[Symbol.dispose]();
  }
}

async function unpackLayers(
  deps: ImageDeps,
  archive: ImageArchive,
  image: DescribedImage,
  chain: readonly string[],
  options: LoadOptions,
): Promise<void> {
  for (const [index, chainId] of chain.entries()) {
    using _turn = await deps.locks.acquire(chainId, {
      timeoutMs: layerTimeoutMs,
      what: `layer ${chainId}`,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (deps.layers.has(chainId)) {
      deps.layers.keepLayer(chainId);
      continue;
    }
    const diffId = image.config.rootfs.diff_ids[index] ?? "";
    const file = archive.file(image.layers[index] ?? "");
    const tar = decompress(
      options.quiet
        ? createReadStream(file.path, { highWaterMark: 512 * 1024 })
        : counted(file, shortId(diffId), options.report),
    );
    await using layer = await deps.layers.stage(tar, {
      parent: chain[index - 1],
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (layer.applied.diffId !== diffId)
      throw badImage(`invalid diffID for layer ${index}: expected "${diffId}", got "${layer.applied.diffId}"`);
    await layer.commit(chainId);
  }
}

function book(deps: ImageDeps, image: DescribedImage, chain: readonly string[], options: LoadOptions): LoadedImage[] {
  const moved = new Map(image.references.map((reference) => [reference, deps.book.pointed(reference)]));
  const sizeBytes = chain.reduce((sum, chainId) => sum + deps.layers.size(chainId).sizeBytes, 0);
  const booked = deps.book.add({ configBytes: image.configBytes, sizeBytes, references: image.references });
  for (const [reference, before] of moved) {
    if (before && before.id !== booked.id)
      options.report({
        stream: `The image ${reference} already exists, renaming the old one with ID ${before.id} to empty string\n`,
      });
  }
  for (const reference of image.references) tell(deps, "tag", booked, reference, options.caller);
  tell(deps, "load", booked, booked.id, options.caller);
  return image.references.length === 0
    ? [{ image: booked, reference: "" }]
    : image.references.map((reference) => ({ image: booked, reference }));
}

async function* counted(file: Spool, id: string, report: Report): AsyncGenerator<Buffer> {
  let current = 0;
  let told = 0;
  for await (const chunk of createReadStream(file.path, { highWaterMark: 512 * 1024 })) {
    const bytes = chunk as Buffer;
    current += bytes.length;
    if (current === file.sizeBytes || current - told >= 1024 * 1024) {
      report({ id, status: "Loading layer", current, total: file.sizeBytes });
      told = current;
    }
    yield bytes;
  }
}
