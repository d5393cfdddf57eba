import { EngineError } from "../base/errors.ts";
import { shortId } from "../base/id.ts";
import type { Caller } from "../spec/caller.ts";
import { familiarName, familiarReference, parseReference, withDefaultTag } from "../spec/reference.ts";
import type { ImageDeps } from "./deps.ts";
import { bytesOf, layersBytes } from "./disk-use.ts";
import { removeUnused } from "./garbage.ts";
import { tell } from "./events.ts";
import type { BookedImage } from "./books/image-book.ts";
import type { Image } from "./image.ts";
import type { InUse, Pruned, RemovedImage } from "./images.ts";

export interface RemoveOptions {
  readonly force: boolean;
  readonly prune: boolean;
  /** Only the images of these platforms behind the reference. */
  readonly platforms?: readonly string[];
  readonly inUse: InUse;
  readonly caller: Caller;
}

/** Untags and, with the last reference, deletes. The rules and texts of conflicts are moby's. */
export async function remove(deps: ImageDeps, text: string, options: RemoveOptions): Promise<RemovedImage[]> {
  const image = deps.book.resolve(text);
  const removed: RemovedImage[] = [];
  if (options.platforms && options.platforms.length > 0) {
    const chosen = options.platforms.map((platform) => deps.book.resolve(text, { platform }));
    for (const { id } of chosen) await deleteImage(deps, id, { ...options, force: true }, removed, { quiet: false });
    removeUnused(deps);
    return removed;
  }
  const siblings = deps.book.ofTarget(isIdPrefix(image.id, text) ? "" : deps.book.targetOf(text));
  if (isIdPrefix(image.id, text)) {
    if (isSingleReference(image)) {
      const conflict = findConflict(deps, image, options, { references: false });
      if (conflict) throw conflict;
      for (const name of allNames(image)) untag(deps, image, name, options.caller, removed);
    }
  } else {
    const reference = withDefaultTag(parseReference(text));
    if (!options.force && isSingleReference(image)) {
      const [user] = options.inUse(image.id);
      if (user) {
        throw new EngineError(
          "conflict",
          `conflict: unable to remove repository reference "${text}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
          { image: image.id, container: user.id },
        );
      }
    }
    untag(
      deps,
      image,
      reference.digest === undefined ? familiarReference(reference) : `${familiarName(reference)}@${reference.digest}`,
      options.caller,
      removed,
    );
    const left = deps.book.get(image.id);
    if (
      reference.digest === undefined &&
      left &&
      !left.references.some((name) => repositoryOf(name) === familiarName(reference))
    ) {
      // moby parity: with a repository's last tag its digests go too
      for (const digest of left.digests.filter((name) => repositoryOf(name) === familiarName(reference)))
        untag(deps, image, digest, options.caller, removed);
    }
    const rest = deps.book.get(image.id);
    if (rest && allNames(rest).length > 0) return removed;
  }
  // moby parity: a name that went is enough; the image stays without a word when a container or a child needs it
  await deleteImage(deps, image.id, options, removed, { quiet: !isIdPrefix(image.id, text) });
  // the images of other platforms went by the same name
  for (const { id } of siblings) {
    const sibling = deps.book.get(id);
    if (sibling && allNames(sibling).length === 0 && sibling.variantOf.length === 0)
      await deleteImage(deps, id, options, removed, { quiet: true });
  }
  removeUnused(deps);
  return removed;
}

/** Removes every image that `keep` and containers leave; in a dry run it only says which. */
export async function prune(deps: ImageDeps, options: PruneOptions): Promise<Pruned> {
  const removed: RemovedImage[] = [];
  const images: BookedImage[] = [];
  if (options.dryRun === true) {
    const gone = new Set<string>();
    for (const image of deps.book.list()) {
      if (options.keep(image) || options.inUse(image.id).length > 0) continue;
      if (deps.book.children(image.id).some((child) => !gone.has(child.id))) continue;
      gone.add(image.id);
      images.push(image);
    }
    return { removed, images, reclaimedBytes: bytesOf(deps, gone) };
  }
  const before = layersBytes(deps);
  for (const image of deps.book.list()) {
    options.signal?.throwIfAborted();
    const now = deps.book.get(image.id);
    if (!now || options.keep(now) || options.inUse(image.id).length > 0 || deps.book.children(image.id).length > 0)
      continue;
    for (const name of allNames(now)) untag(deps, now, name, options.caller, removed);
    images.push(now);
    await deleteImage(
      deps,
      image.id,
      { force: false, prune: true, inUse: options.inUse, caller: options.caller },
      removed,
      { quiet: true },
    );
  }
  removeUnused(deps);
  const reclaimedBytes = before - layersBytes(deps);
  if (options.quiet === true) return { removed, images, reclaimedBytes };
  deps.events.publish({
    type: "image",
    action: "prune",
    id: "",
    attributes: { reclaimed: String(reclaimedBytes) },
    caller: options.caller,
  });
  return { removed, images, reclaimedBytes };
}

export interface PruneOptions {
  readonly keep: (image: Image) => boolean;
  readonly inUse: InUse;
  readonly dryRun?: boolean;
  /** Tells no `prune` event of its own. */
  readonly quiet?: boolean;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

async function deleteImage(
  deps: ImageDeps,
  id: string,
  options: RemoveOptions,
  removed: RemovedImage[],
  how: { quiet: boolean },
): Promise<void> {
  const image = deps.book.get(id);
  if (!image) return;
  const conflict = findConflict(deps, image, options, { references: true });
  if (conflict) {
    if (how.quiet) return;
    throw conflict;
  }
  for (const name of allNames(image)) untag(deps, image, name, options.caller, removed);
  deps.book.delete(id);
  tell(deps, "delete", image, id, options.caller);
  removed.push({ deleted: id });
  for (const chainId of await removeUnusedLayers(deps, image.chainIds)) removed.push({ deleted: chainId });
  if (options.prune && image.parent !== "")
    await deleteImage(deps, image.parent, { ...options, force: false }, removed, { quiet: true });
}

/** Removes those of the layers that no image needs any more; topmost first, as Docker lists them. */
export async function removeUnusedLayers(deps: ImageDeps, chainIds: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  for (const chainId of [...chainIds].reverse()) {
    // looked at anew for each: an image or a pull may have come to need it while the last one went
    if (deps.held.has(chainId) || deps.book.list().some((image) => image.chainIds.includes(chainId))) continue;
    gone.push(chainId);
    await deps.layers.removeLayer(chainId);
  }
  return gone;
}

function findConflict(
  deps: ImageDeps,
  image: BookedImage,
  options: RemoveOptions,
  check: { references: boolean },
): EngineError | undefined {
  const conflict = (force: string, why: string): EngineError =>
    new EngineError("conflict", `conflict: unable to delete ${shortId(image.id)} (${force}) - ${why}`, {
      image: image.id,
    });
  if (deps.book.children(image.id).length > 0) return conflict("cannot be forced", "image has dependent child images");
  const users = options.inUse(image.id);
  const running = users.find((user) => user.running);
  if (running) return conflict("cannot be forced", `image is being used by running container ${shortId(running.id)}`);
  if (options.force) return undefined;
  if (check.references && allNames(image).length > 0)
    return conflict("must be forced", "image is referenced in multiple repositories");
  const [stopped] = users;
  return stopped
    ? conflict("must be forced", `image is being used by stopped container ${shortId(stopped.id)}`)
    : undefined;
}

function untag(deps: ImageDeps, image: BookedImage, name: string, caller: Caller, removed: RemovedImage[]): void {
  deps.book.drop(name);
  tell(deps, "untag", image, image.id, caller);
  removed.push({ untagged: name });
}

const allNames = (image: Image): string[] => [...image.references, ...image.digests];
const isIdPrefix = (id: string, text: string): boolean =>
  id.startsWith(text) || id.slice("sha256:".length).startsWith(text);

/** At most one tag, and digests of its repository alone. */
function isSingleReference(image: Image): boolean {
  if (allNames(image).length <= 1) return true;
  if (image.references.length > 1) return false;
  const repositories = new Set(allNames(image).map(repositoryOf));
  return repositories.size === 1;
}

const repositoryOf = (name: string): string => familiarName(parseReference(name));
