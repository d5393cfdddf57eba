import { closeSync, createReadStream, fstatSync } from "node:fs";
import { EngineError, errorMessage } from "../../base/errors.ts";
import { decompress } from "../../content/decompress.ts";
import type { Registries, Repository } from "../../distribution/registries.ts";
import { chainIds } from "../../images/chain-id.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Images } from "../../images/images.ts";
import type { LayerStore } from "../../snapshots/layers.ts";
import type { Snapshotter } from "../../snapshots/snapshotter.ts";
import type { OciDescriptor } from "../../spec/oci/descriptor.ts";
import type { OciImageConfig } from "../../spec/oci/image.ts";
import { readDocument } from "../../spec/oci/manifest.ts";
import { parseReference, withDefaultTag } from "../../spec/reference.ts";
import type { BuildRequest, CacheLocation } from "../build.ts";
import { readInRoot } from "../context/folder-context.ts";
import type { BuildCache, CachedResult } from "./build-cache.ts";
import {
  type CacheDocument,
  type CacheDocumentResult,
  inlineMember,
  maxDocumentBytes,
  readCacheDocument,
} from "./cache-document.ts";

export interface ImportDeps {
  readonly cache: BuildCache;
  readonly layers: Snapshotter & LayerStore;
  readonly images: Images;
  readonly registries: Registries;
  readonly hold: (chainIds: readonly string[]) => Disposable;
}

/** A cache of another place: what it has is known at once, layers come when a step needs them. */
interface Source {
  readonly document: CacheDocument;
  /** A layer's archive, plain or packed; undefined where the source has none. */
  layer(diffId: string): AsyncIterable<Uint8Array> | undefined;
}

/** The caches that `--cache-from` names, opened once per build. One that cannot be read is passed over, and told. */
export class ImportedCaches {
  readonly #deps: ImportDeps;
  readonly #request: BuildRequest;
  readonly #sources: Promise<readonly Source[]>;

  constructor(deps: ImportDeps, request: BuildRequest, warn: (text: string) => void) {
    this.#deps = deps;
    this.#request = request;
    this.#sources = Promise.all(
      request.cacheFrom.map((location) =>
        this.#open(location).catch((error: unknown) => {
          warn(`importing cache manifest from ${location.place}: ${errorMessage(error)}`);
          return undefined;
        }),
      ),
    ).then((all) => all.filter((source) => source !== undefined));
    this.#sources.catch(() => {}); // awaited by `find`
  }

  /** A result under one of the keys; its layers are brought here first. */
  async find(keys: readonly string[]): Promise<CachedResult | undefined> {
    if (this.#request.cacheFrom.length === 0) return undefined;
    for (const source of await this.#sources) {
      const found = source.document.results.find((result) => result.keys.some((key) => keys.includes(key)));
      if (!found) continue;
      // the document is a stranger's word: it is taken for what was asked, not for other steps
      const asked = found.keys.filter((key) => keys.includes(key));
      const result = await this.#take(source, { ...found, keys: asked });
      if (result) return result;
    }
    return undefined;
  }

  async #take(source: Source, found: CacheDocumentResult): Promise<CachedResult | undefined> {
    const { layers, cache, hold } = this.#deps;
    const chain = chainIds(found.diffIds);
    using _held = hold(chain);
    for (const [index, chainId] of chain.entries()) {
      if (layers.has(chainId)) continue;
      const diffId = found.diffIds[index] ?? "";
      const bytes = source.layer(diffId);
      if (!bytes) return undefined;
      await using staged = await layers.stage(decompress(bytes), { signal: this.#request.signal });
      if (staged.applied.diffId !== diffId) return undefined; // it lies: the step is run
      await staged.commit(chainId, { parent: chain[index - 1] });
    }
    const sizeBytes = chain.length === 0 || found.trail.at(-1)?.empty ? 0 : layers.size(chain.at(-1) ?? "").sizeBytes;
    return cache.add(
      {
        layers: chain.map((chainId, index) => ({ chainId, diffId: found.diffIds[index] ?? "" })),
        inputs: {},
        content: found.content,
        trail: found.trail,
        description: found.description,
        sizeBytes,
      },
      found.keys,
    );
  }

  async #open(location: CacheLocation): Promise<Source | undefined> {
    if (location.type === "local") return this.#folder(location.place);
    if (location.type !== "registry") return undefined;
    return this.#localImage(location.place) ?? this.#registry(location.place);
  }

  /** An image of this engine with a cache in its configuration: its layers are here. */
  #localImage(reference: string): Source | undefined {
    try {
      const document = inlineDocument(this.#deps.images.resolve(reference).config);
      return document && { document, layer: () => undefined };
    } catch {
      return undefined; // not here
    }
  }

  async #registry(reference: string): Promise<Source | undefined> {
    const { signal } = this.#request;
    const name = withDefaultTag(parseReference(reference));
    const credentials = await this.#request.credentials(name.domain);
    const repository = this.#deps.registries.repository(name, credentials ? { credentials } : {});
    let { bytes } = await repository.manifest(name.digest ?? name.tag ?? "latest", { signal });
    let manifest = readDocument(bytes, "");
    if (manifest.kind === "index") {
      const [first] = manifest.value.manifests;
      if (!first) return undefined;
      ({ bytes } = await repository.manifest(first.digest, { signal }));
      manifest = readDocument(bytes, first.mediaType);
    }
    if (manifest.kind === "index") return undefined;
    const { config, layers } = manifest.value;
    const text = await readBlob(repository, config, signal);
    const image = JSON.parse(text) as OciImageConfig;
    const document = "results" in image ? readCacheDocument(text) : inlineDocument(image);
    if (!document) return undefined;
    // of an image, layers are named by their place; of a cache, by what they are
    const diffIds = image.rootfs?.diff_ids ?? layers.map(({ digest }) => digest);
    const byDiffId = new Map(layers.map((layer, index) => [diffIds[index] ?? "", layer] as const));
    return {
      document,
      layer(diffId) {
        const descriptor = byDiffId.get(diffId);
        return descriptor && repository.blob(descriptor, { signal });
      },
    };
  }

  /** A folder that the client sent as the context of that name: an OCI layout's blobs and the document. */
  async #folder(name: string): Promise<Source | undefined> {
    const tree = await this.#request.contexts.get(name)?.fetch(["."], this.#request.signal);
    const text = tree && (await readInRoot(tree.root, "cache.json", maxDocumentBytes));
    if (!tree || !text) return undefined;
    return {
      document: readCacheDocument(text.toString("utf8")),
      layer: (diffId) => fileBytes(tree.root, `blobs/sha256/${diffId.slice(7)}`),
    };
  }
}

async function* fileBytes(root: string, path: string): AsyncGenerator<Uint8Array> {
  const rootFd = openRoot(root);
  let fd = -1;
  try {
    fd = openInRoot(rootFd, path, { flags: openFlags.read | openFlags.nonBlock });
    if (!fstatSync(fd).isFile()) throw new EngineError("invalid", `${path} of the build cache is no file`);
    yield* createReadStream("", { fd, autoClose: false, start: 0, highWaterMark: 512 * 1024 }) as AsyncIterable<Buffer>;
  } finally {
    if (fd >= 0) closeSync(fd);
    closeSync(rootFd);
  }
}

async function readBlob(repository: Repository, descriptor: OciDescriptor, signal: AbortSignal): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of repository.blob(descriptor, { signal })) {
    bytes += part.length;
    if (bytes > maxDocumentBytes) throw new Error("the build cache is too large");
    parts.push(part);
  }
  const whole = Buffer.concat(parts);
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(whole).digest("hex")}`;
  if (digest !== descriptor.digest) throw new Error(`its digest is ${digest}, not ${descriptor.digest}`);
  return whole.toString("utf8");
}

function inlineDocument(config: OciImageConfig): CacheDocument | undefined {
  const value = config[inlineMember];
  return typeof value === "string" ? readCacheDocument(Buffer.from(value, "base64").toString("utf8")) : undefined;
}
