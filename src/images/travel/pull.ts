import { EngineError, errorMessage } from "../../base/errors.ts";
import { fault } from "../../base/fault.ts";
import type { Repository } from "../../distribution/registries.ts";
import type { Caller } from "../../spec/caller.ts";
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../spec/reference.ts";
import { chainIds, sha256 } from "../chain-id.ts";
import { hold, type ImageDeps } from "../deps.ts";
import type { NewDocument } from "../books/document-book.ts";
import { tell } from "../events.ts";
import { dropSpareBlobs, removeUnused } from "../garbage.ts";
import type { BookedImage } from "../books/image-book.ts";
import type { PullOptions, Report } from "../images.ts";
import type { LayerBlob } from "../books/layer-book.ts";
import { parsePlatform } from "../platform.ts";
import { readRemote, readRemoteConfig, type RemoteImage } from "./pull-manifest.ts";

type Options = PullOptions & { readonly caller: Caller; readonly signal?: AbortSignal };

/** See `Images.pull`. */
export async function pull(deps: ImageDeps, text: string, options: Options): Promise<BookedImage> {
  const named = parseReference(text);
  parsePlatform(options.platform);
  const credentials = options.credentials;
  const repository = deps.registries.repository(named, credentials ? { credentials } : {});
  if (options.allTags !== true) {
    const reference = withDefaultTag(named);
    const { image, isNew } = await pullOne(deps, repository, reference, options);
    ended(image, isNew, reference, options.report);
    warnOfPlatform(deps, reference, options);
    return image;
  }
  if (named.tag !== undefined || named.digest !== undefined)
    throw new EngineError("invalid", "tag can't be used with --all-tags/-a"); // moby parity
  let last: BookedImage | undefined;
  let anyNew = false;
  for await (const tag of repository.tags(options.signal ? { signal: options.signal } : {})) {
    const { image, isNew } = await pullOne(deps, repository, { ...named, tag }, options);
    last = image;
    anyNew ||= isNew;
  }
  if (!last) throw new EngineError("not-found", `no tags in repository ${familiarName(named)}`);
  return ended(last, anyNew, named, options.report);
}

function ended(image: BookedImage, isNew: boolean, reference: Reference, report: Report): BookedImage {
  const what = isNew ? "Downloaded newer image" : "Image is up to date";
  report({ status: `Status: ${what} for ${familiarReference(shown(reference))}` });
  return image;
}

/** What `pullOne` found: the image, and whether the reference meant another one before. */
interface Pulled {
  readonly image: BookedImage;
  readonly isNew: boolean;
}

async function pullOne(deps: ImageDeps, repository: Repository, asked: Reference, options: Options): Promise<Pulled> {
  const reference = shown(asked);
  const text = familiarReference(reference);
  const name = reference.digest ?? reference.tag ?? "latest";
  const platform = parsePlatform(options.platform);
  const cancel = options.signal ? { signal: options.signal } : {};
  const before = deps.book.pointed(text);
  // a HEAD does not count against a registry's limits, and mostly nothing has changed
  const digest = before === undefined ? name : (await repository.resolve(name, cancel)).digest;
  const remote = await readRemote(repository, digest, {
    platform,
    ...cancel,
    kept: (known) => kept(deps, known),
    found: () => options.report({ id: reference.tag ?? text, status: `Pulling from ${reference.path}`, isNote: true }),
  });
  const known = deps.book.documents.get(remote.manifest.digest);
  const there = known === undefined ? undefined : deps.book.get(known.imageId);
  const isWhole = there?.chainIds.every((chainId) => deps.layers.has(chainId)) === true;
  const image =
    isWhole && there
      ? keep(deps, there, remote, { reference, repository })
      : await bring(deps, { remote, reference, repository, options });
  options.report({ status: `Digest: ${remote.target}` });
  tell(deps, "pull", image, text, options.caller);
  const isNew = before === undefined || (before.id !== image.id && !image.variantOf.includes(text)) || !isWhole;
  if (isNew) removeUnused(deps);
  return { image, isNew };
}

/** Everything is here: only names move. */
function keep(deps: ImageDeps, image: BookedImage, remote: RemoteImage, from: From): BookedImage {
  return deps.book.add({ configBytes: image.configBytes, sizeBytes: image.sizeBytes, ...named(remote, from) });
}

async function bring(deps: ImageDeps, pulled: From & { remote: RemoteImage; options: Options }): Promise<BookedImage> {
  const { remote, repository, options } = pulled;
  fault("image.pull.after-manifest");
  const { bytes, config } = await readRemoteConfig(
    repository,
    remote.value,
    options.signal ? { signal: options.signal } : {},
  );
  const diffIds = config.rootfs.diff_ids;
  const chain = chainIds(diffIds);
  using _held = hold(deps, chain);
  using lease = deps.content.lease();
  for (const { digest } of remote.value.layers) lease.keep(digest);
  const known = deps.book.get(sha256(bytes));
  const isWhole = known !== undefined && chain.every((chainId) => deps.layers.has(chainId));
  const layers: LayerBlob[] = remote.value.layers.map(({ digest, mediaType, size }, index) => ({
    digest,
    mediaType,
    sizeBytes: size,
    diffId: diffIds[index] ?? "",
  }));
  // rows first: what a crash leaves of the blobs is known, and the next start removes it
  deps.book.layers.add(layers.map(unseen), repository.name);
  const seen = isWhole
    ? new Set<string>()
    : await deps.fetches.fetch(
        remote.value.layers.map((descriptor, index) => ({
          descriptor,
          repository,
          diffId: diffIds[index] ?? "",
          chainId: chain[index] ?? "",
          parent: chain[index - 1],
        })),
        { report: options.report, ...(options.signal && { signal: options.signal }) },
      );
  fault("image.pull.before-row");
  const image = deps.book.add({
    configBytes: bytes,
    sizeBytes: chain.reduce((sum, chainId) => sum + deps.layers.size(chainId).sizeBytes, 0),
    layers: layers.map((layer) => (seen.has(layer.digest) ? layer : unseen(layer))),
    ...named(remote, pulled),
  });
  fault("image.pull.after-row");
  dropSpareBlobs(deps, layers);
  return image;
}

/** A blob of which only the manifest says what it holds: it must never stand for that layer of another image. */
const unseen = (blob: LayerBlob): LayerBlob => ({ ...blob, diffId: "" });

interface From {
  readonly reference: Reference;
  readonly repository: Repository;
}

/** The names and documents that a pull gives an image. */
function named(remote: RemoteImage, { reference }: From) {
  return {
    target: remote.target,
    manifest: remote.manifest,
    indexes: remote.indexes,
    references: reference.digest === undefined ? [familiarReference(reference)] : [],
    digests: [`${familiarName(reference)}@${remote.target}`],
  };
}

/** A document that is here, as its own type says. */
function kept(deps: ImageDeps, digest: string): NewDocument | undefined {
  const stored = deps.book.documents.get(digest);
  return stored && { digest, mediaType: stored.descriptor.mediaType, bytes: deps.book.documents.bytes(digest) };
}

/** moby parity: a manifest that is no list is taken whatever its platform is. */
function warnOfPlatform(deps: ImageDeps, reference: Reference, options: Options): void {
  if (options.platform === "") return;
  try {
    deps.book.resolve(familiarReference(shown(reference)), { platform: options.platform });
  } catch (error) {
    options.report({ status: `WARNING: ${errorMessage(error)}` });
  }
}

/** A digest wins over a tag beside it. */
const shown = (reference: Reference): Reference =>
  reference.digest === undefined ? reference : { ...reference, tag: undefined };
