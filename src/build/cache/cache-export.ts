import { sha256 } from "../../images/chain-id.ts";
import type { Registries } from "../../distribution/registries.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import { mediaTypes } from "../../spec/oci/descriptor.ts";
import { parseReference, withDefaultTag } from "../../spec/reference.ts";
import { tarEnd, tarHeader, tarPadding } from "../../snapshots/tree/tar-writer.ts";
import type { BuildRequest, CacheLocation } from "../build.ts";
import { type BuildCache, type CachedResult, chainOf } from "./build-cache.ts";
import { cacheConfigType, type CacheDocument } from "./cache-document.ts";

export interface ExportCacheDeps {
  readonly cache: BuildCache;
  readonly layers: LayerStore;
  readonly registries: Registries;
}

/** The results as a document. `min`: those alone whose layers the image has. */
export function cacheDocument(
  cache: BuildCache,
  results: Iterable<CachedResult>,
  options: { mode: "min" | "max"; image: CachedResult | null },
): CacheDocument {
  const chain = new Set(options.image?.layers.map(({ chainId }) => chainId) ?? []);
  const isPart = (result: CachedResult): boolean =>
    options.mode === "max" || result.layers.length === 0 || chain.has(chainOf(result.layers));
  return {
    version: 1,
    results: [...results].filter(isPart).map((result) => ({
      keys: cache.keysOf(result).sort(),
      diffIds: result.layers.map(({ diffId }) => diffId),
      content: result.content,
      trail: result.trail,
      description: result.description,
    })),
  };
}

/** Writes the cache of a build where `--cache-to` says. Inline caches go with the image instead. */
export async function exportCache(
  deps: ExportCacheDeps,
  request: BuildRequest,
  made: { results: ReadonlySet<CachedResult>; image: CachedResult | null },
): Promise<void> {
  for (const location of request.cacheTo) {
    if (location.type === "inline") continue;
    const document = cacheDocument(deps.cache, made.results, { mode: location.mode, image: made.image });
    const chains = new Map(
      [...made.results]
        .filter((result) => document.results.some(({ diffIds }) => diffIds.length === result.layers.length))
        .flatMap((result) => result.layers.map(({ chainId, diffId }) => [diffId, chainId] as const)),
    );
    const needed = [...new Set(document.results.flatMap(({ diffIds }) => diffIds))].sort();
    const layers = needed.flatMap((diffId) => {
      const chainId = chains.get(diffId);
      return chainId === undefined ? [] : [{ diffId, chainId, sizeBytes: deps.layers.size(chainId).tarBytes }];
    });
    if (location.type === "registry") await toRegistry(deps, request, location, document, layers);
    else await toFolder(deps, location, document, layers);
  }
}

type Layer = { readonly diffId: string; readonly chainId: string; readonly sizeBytes: number };

async function toRegistry(
  deps: ExportCacheDeps,
  request: BuildRequest,
  location: CacheLocation,
  document: CacheDocument,
  layers: readonly Layer[],
): Promise<void> {
  const name = withDefaultTag(parseReference(location.place));
  const credentials = await request.credentials(name.domain);
  const repository = deps.registries.repository(name, credentials ? { credentials } : {});
  const { signal } = request;
  const descriptors = layers.map(({ diffId, sizeBytes }) => ({
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: diffId,
    size: sizeBytes,
  }));
  for (const [index, descriptor] of descriptors.entries()) {
    const chainId = layers[index]?.chainId ?? "";
    await repository.pushBlob(descriptor, (offset) => from(deps.layers.tar(chainId), offset), { signal });
  }
  const config = Buffer.from(JSON.stringify(document));
  const configDescriptor = { mediaType: cacheConfigType, digest: sha256(config), size: config.length };
  await repository.pushBlob(configDescriptor, (offset) => from([config], offset), { signal });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: configDescriptor,
      layers: descriptors,
    }),
  );
  await repository.pushManifest(
    name.tag ?? "latest",
    { mediaType: mediaTypes.ociManifest, bytes: manifest },
    { signal },
  );
}

/** The bytes from an offset on: an upload that was cut goes on there. */
async function* from(source: AsyncIterable<Buffer> | Iterable<Buffer>, offset: number): AsyncGenerator<Uint8Array> {
  let skip = offset;
  for await (const bytes of source) {
    if (skip < bytes.length) yield skip === 0 ? bytes : bytes.subarray(skip);
    skip = Math.max(0, skip - bytes.length);
  }
}

/** A tar of `cache.json` and the layers, for the client to unpack; names and times are always the same. */
async function toFolder(
  deps: ExportCacheDeps,
  location: CacheLocation,
  document: CacheDocument,
  layers: readonly Layer[],
): Promise<void> {
  const { write } = location;
  if (!write) return;
  const file = async (name: string, size: number, source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> => {
    await write(tarHeader({ name, type: "file", mode: 0o644, uid: 0, gid: 0, sizeBytes: size, mtimeSeconds: 0 }));
    for await (const bytes of source) await write(bytes);
    if (size % 512 !== 0) await write(tarPadding(size));
  };
  const text = Buffer.from(JSON.stringify(document));
  await file("cache.json", text.length, [text]);
  for (const { diffId, chainId, sizeBytes } of layers)
    await file(`blobs/sha256/${diffId.slice(7)}`, sizeBytes, deps.layers.tar(chainId));
  await write(tarEnd);
}
