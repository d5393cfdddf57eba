import { Readable } from "node:stream";
import { EngineError } from "../base/errors.ts";
import { tarEnd, tarHeader, tarPadding } from "../snapshots/tree/tar-writer.ts";
import type { Caller } from "../spec/caller.ts";
import { familiarName, familiarReference, parseReference } from "../spec/reference.ts";
import { sha256 } from "./chain-id.ts";
import { hold, type ImageDeps } from "./deps.ts";
import { tell } from "./events.ts";
import type { BookedImage } from "./books/image-book.ts";

interface Saved {
  readonly image: BookedImage;
  readonly references: string[];
  readonly manifest: Buffer;
}

/** One archive that is Docker's (manifest.json) and an OCI layout (index.json) at once; each layer is in it once. */
export function save(
  deps: ImageDeps,
  names: readonly string[],
  options: { caller: Caller; signal?: AbortSignal },
): Readable {
  const images = choose(deps, names);
  for (const { image } of images) {
    for (const chainId of image.chainIds) if (deps.layers.size(chainId).irregular) deps.layers.tar(chainId); // throws, before anything is sent
  }
  const held = hold(
    deps,
    images.flatMap(({ image }) => image.chainIds),
  );
  const stream = Readable.from(archive(deps, images), {
    objectMode: false,
    highWaterMark: 1024 * 1024,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  stream.once("close", () => held[Symbol.dispose]());
  for (const { image } of images) tell(deps, "save", image, image.id, options.caller);
  return stream;
}

/** The images that the names mean: a repository alone means all its tags, an id means no reference. */
function choose(deps: ImageDeps, names: readonly string[]): Saved[] {
  const chosen = new Map<string, Saved>();
  const add = (image: BookedImage, reference?: string): void => {
    const entry = chosen.get(image.id) ?? { image, references: [], manifest: manifestOf(deps, image) };
    if (reference !== undefined && !entry.references.includes(reference)) entry.references.push(reference);
    chosen.set(image.id, entry);
  };
  for (const name of names) {
    const image = resolveOrRepository(deps, name, add);
    if (image)
      add(
        image,
        image.references.find((reference) => reference === name || isTagOf(reference, name)),
      );
  }
  return [...chosen.values()];
}

function resolveOrRepository(
  deps: ImageDeps,
  name: string,
  add: (image: BookedImage, reference: string) => void,
): BookedImage | undefined {
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(name)) {
    const reference = parseReference(name);
    if (reference.tag === undefined && reference.digest === undefined) {
      const repository = familiarName(reference);
      const tags = deps.book
        .list()
        .flatMap((image) =>
          image.references
            .filter((tag) => familiarName(parseReference(tag)) === repository)
            .map((tag) => ({ image, tag })),
        );
      for (const { image, tag } of tags) add(image, tag);
      if (tags.length > 0) return undefined;
    }
  }
  return deps.book.resolve(name);
}

const isTagOf = (reference: string, name: string): boolean =>
  !/^(sha256:)?[0-9a-f]+$/.test(name) && familiarReference(parseReference(name)) === reference;

function manifestOf(deps: ImageDeps, image: BookedImage): Buffer {
  const layers = image.chainIds.map((chainId, index) => ({
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: image.config.rootfs.diff_ids[index],
    size: deps.layers.size(chainId).tarBytes,
  }));
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: image.id,
        size: image.configBytes.length,
      },
      layers,
    }),
  );
}

async function* archive(deps: ImageDeps, images: readonly Saved[]): AsyncGenerator<Uint8Array> {
  const written = new Set<string>();
  const place = (digest: string): string => `blobs/sha256/${digest.slice(7)}`;
  yield folder("blobs/");
  yield folder("blobs/sha256/");
  for (const { image, manifest } of images) {
    for (const [index, chainId] of image.chainIds.entries()) {
      const diffId = image.config.rootfs.diff_ids[index] ?? "";
      if (written.has(diffId)) continue;
      written.add(diffId);
      yield* layer(deps, chainId, diffId, place(diffId));
    }
    for (const [digest, bytes] of [
      [image.id, image.configBytes],
      [sha256(manifest), manifest],
    ] as const) {
      if (!written.has(digest)) yield document(place(digest), bytes);
      written.add(digest);
    }
  }
  const docker = images.map(({ image, references }) => ({
    Config: place(image.id),
    RepoTags: references.length > 0 ? references : null,
    Layers: image.config.rootfs.diff_ids.map(place),
  }));
  yield document(
    "index.json",
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: images.flatMap(descriptors),
      }),
    ),
  );
  yield document("manifest.json", Buffer.from(JSON.stringify(docker)));
  yield document("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  const repositories = repositoriesOf(images);
  if (Object.keys(repositories).length > 0) yield document("repositories", Buffer.from(JSON.stringify(repositories)));
  yield tarEnd;
}

/** The layer's archive as it came; its digest is checked on the way. */
async function* layer(deps: ImageDeps, chainId: string, diffId: string, name: string): AsyncGenerator<Uint8Array> {
  const { tarBytes } = deps.layers.size(chainId);
  const hash = new Bun.CryptoHasher("sha256");
  let sizeBytes = 0;
  yield tarHeader({ name, type: "file", mode: 0o644, uid: 0, gid: 0, sizeBytes: tarBytes, mtimeSeconds: 0 });
  for await (const chunk of deps.layers.tar(chainId)) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    sizeBytes += bytes.length;
    yield bytes;
  }
  if (sizeBytes !== tarBytes || `sha256:${hash.digest("hex")}` !== diffId)
    throw new EngineError(
      "internal",
      `layer ${chainId} on the disk is not what was unpacked: remove and load its images again`,
      { chainId },
    );
  yield tarPadding(tarBytes);
}

function descriptors({ image, references, manifest }: Saved): object[] {
  const descriptor = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: sha256(manifest),
    size: manifest.length,
    platform: { architecture: image.config.architecture, os: image.config.os },
  };
  if (references.length === 0) return [descriptor];
  return references.map((text) => {
    const { domain, path, tag } = parseReference(text);
    return {
      ...descriptor,
      annotations: { "io.containerd.image.name": `${domain}/${path}:${tag}`, "org.opencontainers.image.ref.name": tag },
    };
  });
}

function repositoriesOf(images: readonly Saved[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, references } of images) {
    for (const text of references) {
      const reference = parseReference(text);
      const name = familiarName(reference);
      repositories[name] = {
        ...repositories[name],
        [reference.tag ?? "latest"]: (image.config.rootfs.diff_ids.at(-1) ?? image.id).slice(7),
      };
    }
  }
  return repositories;
}

const folder = (name: string): Buffer =>
  tarHeader({ name, type: "folder", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 });
const document = (name: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([
    tarHeader({ name, type: "file", mode: 0o644, uid: 0, gid: 0, sizeBytes: bytes.length, mtimeSeconds: 0 }),
    bytes,
    tarPadding(bytes.length),
  ]);
