import { Readable } from "node:stream";
import { EngineError } from "../../base/errors.ts";
import { tarEnd, tarHeader, tarPadding } from "../../snapshots/tree/tar-writer.ts";
import type { Caller } from "../../spec/caller.ts";
import { mediaTypes, type OciDescriptor } from "../../spec/oci/descriptor.ts";
import { familiarName, familiarReference, parseReference } from "../../spec/reference.ts";
import type { BookedImage } from "../books/image-book.ts";
import { sha256 } from "../chain-id.ts";
import { hold, type ImageDeps } from "../deps.ts";
import { tell } from "../events.ts";
import { isHere, openLayer, type TravelLayer } from "../travel/layer-blobs.ts";
import { keptTravel } from "../travel/travel.ts";
import { blobName } from "./describe.ts";

export interface SaveOptions {
  /** Only the images of these behind each name; all when empty. */
  readonly platforms?: readonly string[];
  /** Chain ids that the receiver has: their layers are left out. */
  readonly omit?: ReadonlySet<string>;
  /** Docker's types become OCI's, for tools that read nothing else: such manifests have other digests then. */
  readonly onlyOci?: boolean;
  readonly caller: Caller;
  readonly signal?: AbortSignal;
}

/** An image as it goes into the archive. */
interface SavedImage {
  readonly image: BookedImage;
  /** Digest of the manifest that it came with; that of `manifest` unless this was made OCI's. */
  readonly digest: string;
  readonly manifest: OciDescriptor;
  readonly manifestBytes: Buffer;
  readonly layers: readonly TravelLayer[];
}

/** What a name stands for: a manifest, or an index with those of its images that are here. */
interface SavedEntry {
  readonly target: OciDescriptor;
  readonly indexes: readonly { readonly digest: string; readonly bytes: Buffer }[];
  /** The image that containers would use first. */
  readonly images: readonly SavedImage[];
  readonly references: string[];
}

/** One archive that is Docker's (manifest.json) and an OCI layout (index.json) at once; each blob is in it once. */
export function save(deps: ImageDeps, names: readonly string[], options: SaveOptions): Readable {
  const entries = choose(deps, names, options);
  const images = entries.flatMap((entry) => entry.images);
  for (const { layers } of images) for (const layer of layers) if (!isHere(deps, layer)) deps.layers.tar(layer.chainId); // throws, before anything is sent
  const held = hold(
    deps,
    images.flatMap(({ image }) => image.chainIds),
  );
  const lease = deps.content.lease();
  for (const { layers } of images) for (const { descriptor } of layers) lease.keep(descriptor.digest);
  const stream = Readable.from(archive(deps, entries, options), {
    objectMode: false,
    highWaterMark: 1024 * 1024,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  stream.once("close", () => {
    held[Symbol.dispose]();
    lease[Symbol.dispose]();
  });
  for (const { image } of images) tell(deps, "save", image, image.id, options.caller);
  return stream;
}

/** What the names mean: a repository alone means all its tags, an id means no reference. */
function choose(
  deps: ImageDeps,
  names: readonly string[],
  { platforms = [], onlyOci = false }: SaveOptions,
): SavedEntry[] {
  const chosen = new Map<string, SavedEntry>();
  const add = (text: string, reference: string | undefined): void => {
    const wanted = (platforms.length > 0 ? platforms : [""]).map((platform) => deps.book.resolve(text, { platform }));
    const target = deps.book.targetOf(text);
    const entry = entryOf(deps, wanted, { target, onlyOci, all: platforms.length === 0 });
    const known = chosen.get(entry.target.digest) ?? entry;
    if (reference !== undefined && !known.references.includes(reference)) known.references.push(reference);
    chosen.set(entry.target.digest, known);
  };
  for (const name of names) {
    const tags = repositoryTags(deps, name);
    for (const tag of tags) add(tag, tag);
    if (tags.length === 0) add(name, tagOf(deps, name));
  }
  return [...chosen.values()];
}

/** The tags that a repository alone means; none for any other name. */
function repositoryTags(deps: ImageDeps, name: string): string[] {
  if (/^(sha256:)?[0-9a-f]{64}$/.test(name)) return [];
  const reference = parseReference(name);
  if (reference.tag !== undefined || reference.digest !== undefined) return [];
  const repository = familiarName(reference);
  return deps.book
    .pointers()
    .filter((pointer) => !pointer.isDigest && familiarName(parseReference(pointer.reference)) === repository)
    .map((pointer) => pointer.reference)
    .sort();
}

/** The tag that a name is; undefined for ids and digests. */
function tagOf(deps: ImageDeps, name: string): string | undefined {
  if (/^(sha256:)?[0-9a-f]{64}$/.test(name)) return undefined;
  const tag = familiarReference(parseReference(name));
  return deps.book.pointers().find(({ reference, isDigest }) => !isDigest && reference === tag)?.reference;
}

interface Wish {
  /** Digest of the manifest or index behind the name; empty for none. */
  readonly target: string;
  /** All images of an index that are here, not only those that were asked for. */
  readonly all: boolean;
  readonly onlyOci: boolean;
}

/** `wanted` are the images that were asked for, the first one first. */
function entryOf(deps: ImageDeps, wanted: readonly BookedImage[], wish: Wish): SavedEntry {
  const { target, all, onlyOci } = wish;
  const { documents } = deps.book;
  const others = all ? deps.book.ofTarget(target).filter(({ id }) => id !== wanted[0]?.id) : [];
  const [own, ...more] = [...new Set([...wanted, ...others])].map((image) => savedImage(deps, image, wish));
  if (!own) throw new EngineError("internal", "no image to save");
  const alone: SavedEntry = { target: own.manifest, indexes: [], images: [own], references: [] };
  const top = documents.get(target);
  if (top?.document.kind !== "index" || (!all && more.length === 0)) return alone;
  // the blobs of the manifest that the index names may be gone: what is here goes without the index then
  const members = new Set(documents.entries(target).map(({ descriptor }) => descriptor.digest));
  if (!members.has(own.digest)) return alone;
  const images = [own, ...more.filter(({ digest }) => members.has(digest))];
  if (
    onlyOci &&
    (top.descriptor.mediaType !== mediaTypes.ociIndex || images.some((one) => one.digest !== one.manifest.digest))
  )
    return { ...ociIndexOf(images), images, references: [] };
  const indexes = indexesBelow(deps, target).map((digest) => ({ digest, bytes: documents.bytes(digest) }));
  return { target: top.descriptor, indexes, images, references: [] };
}

/** A new index of manifests that were changed. */
function ociIndexOf(images: readonly SavedImage[]): Pick<SavedEntry, "target" | "indexes"> {
  const manifests = images.map(({ manifest, image }) => ({ ...manifest, platform: platformOf(image) }));
  const bytes = json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  const digest = sha256(bytes);
  return { target: { mediaType: mediaTypes.ociIndex, digest, size: bytes.length }, indexes: [{ digest, bytes }] };
}

/** The index itself and those within it that are here. */
function indexesBelow(deps: ImageDeps, digest: string): string[] {
  const stored = deps.book.documents.get(digest);
  if (stored?.document.kind !== "index") return [];
  return [digest, ...stored.document.value.manifests.flatMap((entry) => indexesBelow(deps, entry.digest))];
}

/**
 * By the manifest that it came with under this name if all of its blobs are here, else by one over its plain layers:
 * compressed layers of an earlier push say nothing to who never heard of that.
 */
function savedImage(deps: ImageDeps, image: BookedImage, { target, onlyOci }: Wish): SavedImage {
  const kept = target === "" ? undefined : keptTravel(deps, image, target);
  if (kept?.layers.every((layer) => isHere(deps, layer)) === true) {
    const { digest, mediaType, bytes } = kept.manifest;
    const { layers } = kept;
    if (onlyOci && mediaType !== mediaTypes.ociManifest) {
      const config = { ...kept.value.config, mediaType: mediaTypes.ociConfig };
      const blobs = layers.map(({ descriptor }) => ({ ...descriptor, mediaType: ociLayerType(descriptor.mediaType) }));
      return { image, digest, layers, ...ociManifestOf({ ...kept.value, config, layers: blobs }) };
    }
    const manifest = { mediaType, digest, size: bytes.length };
    return { image, digest, manifest, manifestBytes: Buffer.from(bytes), layers };
  }
  const layers = image.chainIds.map((chainId, index) => {
    const digest = image.config.rootfs.diff_ids[index] ?? "";
    const descriptor = { mediaType: mediaTypes.ociLayer, digest, size: deps.layers.size(chainId).tarBytes };
    return { descriptor, diffId: digest, chainId };
  });
  const config = { mediaType: mediaTypes.ociConfig, digest: image.id, size: image.configBytes.length };
  const made = ociManifestOf({ config, layers: layers.map(({ descriptor }) => descriptor) });
  return { image, layers, digest: made.manifest.digest, ...made };
}

const ociLayerType = (type: string): string =>
  type.includes("gzip")
    ? mediaTypes.ociLayerGzip
    : type.includes("zstd")
      ? mediaTypes.ociLayerZstd
      : mediaTypes.ociLayer;

function ociManifestOf({ config, layers }: { config: OciDescriptor; layers: readonly OciDescriptor[] }) {
  const manifestBytes = json({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers });
  const digest = sha256(manifestBytes);
  return { manifestBytes, manifest: { mediaType: mediaTypes.ociManifest, digest, size: manifestBytes.length } };
}

async function* archive(
  deps: ImageDeps,
  entries: readonly SavedEntry[],
  options: SaveOptions,
): AsyncGenerator<Uint8Array> {
  const written = new Set<string>();
  const small = function* (digest: string, bytes: Uint8Array): Generator<Uint8Array> {
    if (!written.has(digest)) yield document(blobName(digest), bytes);
    written.add(digest);
  };
  yield folder("blobs/");
  yield folder("blobs/sha256/");
  for (const { images, indexes } of entries) {
    for (const { image, manifest, manifestBytes, layers } of images) {
      for (const layer of layers) {
        if (written.has(layer.descriptor.digest) || options.omit?.has(layer.chainId) === true) continue;
        written.add(layer.descriptor.digest);
        yield* blob(deps, layer, options.signal);
      }
      yield* small(image.id, image.configBytes);
      yield* small(manifest.digest, manifestBytes);
    }
    for (const { digest, bytes } of indexes) yield* small(digest, bytes);
  }
  yield document("index.json", json(layoutIndex(entries)));
  yield document("manifest.json", json(dockerManifest(entries)));
  yield document("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  const repositories = repositoriesOf(entries);
  if (Object.keys(repositories).length > 0) yield document("repositories", json(repositories));
  yield tarEnd;
}

/** A layer's blob; its digest is checked on the way. */
async function* blob(deps: ImageDeps, layer: TravelLayer, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { digest, size } = layer.descriptor;
  const hash = new Bun.CryptoHasher(digest.startsWith("sha512:") ? "sha512" : "sha256");
  let sizeBytes = 0;
  yield tarHeader({
    name: blobName(digest),
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: size,
    mtimeSeconds: 0,
  });
  for await (const bytes of openLayer(deps, layer, signal ? { signal } : {})) {
    hash.update(bytes);
    sizeBytes += bytes.length;
    yield bytes;
  }
  if (sizeBytes !== size || !digest.endsWith(`:${hash.digest("hex")}`))
    throw new EngineError(
      "internal",
      `layer ${layer.chainId} on the disk is not what came in: run "berth system check --repair"`,
      { chainId: layer.chainId },
    );
  yield tarPadding(size);
}

/** OCI image-spec 1.1, "index.json file", with the annotations by which containerd and docker find names and sources. */
function layoutIndex(entries: readonly SavedEntry[]): object {
  const manifests = entries.flatMap(({ target, images, references }) => {
    const [{ image } = { image: undefined }] = images;
    const platform = image && target.digest === images[0]?.manifest.digest ? { platform: platformOf(image) } : {};
    const sources = sourcesOf(images, target.digest);
    if (references.length === 0) return [{ ...target, ...platform, ...annotated(sources) }];
    return references.map((text) => {
      const { domain, path, tag = "" } = parseReference(text);
      const names = {
        "io.containerd.image.name": `${domain}/${path}:${tag}`,
        "org.opencontainers.image.ref.name": tag,
      };
      return { ...target, ...platform, ...annotated({ ...sources, ...names }) };
    });
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

const annotated = (annotations: Record<string, string>): object =>
  Object.keys(annotations).length === 0 ? {} : { annotations };

const platformOf = ({ config }: BookedImage) => ({
  architecture: config.architecture,
  os: config.os,
  ...(config.variant !== undefined && { variant: config.variant }),
});

/** The repositories that have the manifest, as containerd notes them. */
function sourcesOf(images: readonly SavedImage[], digest: string): Record<string, string> {
  const sources: Record<string, string> = {};
  for (const name of new Set(images.flatMap(({ image }) => image.digests))) {
    const reference = parseReference(name);
    if (reference.digest !== digest) continue;
    const key = `containerd.io/distribution.source.${reference.domain}`;
    sources[key] = sources[key] === undefined ? reference.path : `${sources[key]},${reference.path}`;
  }
  return sources;
}

function dockerManifest(entries: readonly SavedEntry[]): object[] {
  const docker = new Map<string, { Config: string; RepoTags: string[] | null; Layers: string[] }>();
  for (const { images, references } of entries) {
    const [first] = images; // Docker's format knows no platforms
    if (!first) continue;
    const { image, layers } = first;
    const tags = [...new Set([...(docker.get(image.id)?.RepoTags ?? []), ...references])];
    docker.set(image.id, {
      Config: blobName(image.id),
      RepoTags: tags.length > 0 ? tags : null,
      Layers: layers.map(({ descriptor }) => blobName(descriptor.digest)),
    });
  }
  return [...docker.values()];
}

function repositoriesOf(entries: readonly SavedEntry[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { images, references } of entries) {
    const [first] = images;
    for (const text of references) {
      const reference = parseReference(text);
      const name = familiarName(reference);
      const top = first?.layers.at(-1)?.descriptor.digest ?? first?.image.id ?? "";
      repositories[name] = { ...repositories[name], [reference.tag ?? "latest"]: top.slice(top.indexOf(":") + 1) };
    }
  }
  return repositories;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const folder = (name: string): Buffer =>
  tarHeader({ name, type: "folder", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 });
const document = (name: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([
    tarHeader({ name, type: "file", mode: 0o644, uid: 0, gid: 0, sizeBytes: bytes.length, mtimeSeconds: 0 }),
    bytes,
    tarPadding(bytes.length),
  ]);
