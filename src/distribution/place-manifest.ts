import { EngineError } from "../base/errors.ts";
import type { OciDescriptor } from "../spec/oci/descriptor.ts";
import { type Document, readDocument } from "../spec/oci/manifest.ts";
import { facts } from "./http/failure.ts";
import type { Cancel, Repository } from "./registries.ts";

/** Indexes of indexes; more is no image. */
const maxDepth = 4;

/**
 * Writes a manifest or index, and before it what it names and the repository lacks: blobs and members of an index come
 * from `sources`, repositories of the same registry. Throws `not-found` when no source has them.
 */
export async function placeManifest(
  target: Repository,
  {
    reference,
    document,
    sources,
  }: {
    readonly reference: string;
    readonly document: { readonly mediaType: string; readonly bytes: Uint8Array };
    readonly sources: readonly Repository[];
  },
  options: Cancel = {},
): Promise<OciDescriptor> {
  const read = readDocument(document.bytes, document.mediaType);
  if (sources.length > 0) await placeParts(target, { document: read, sources, depth: 1 }, options);
  return target.pushManifest(reference, { mediaType: read.mediaType, bytes: document.bytes }, options);
}

async function placeParts(
  target: Repository,
  { document, sources, depth }: { document: Document; sources: readonly Repository[]; depth: number },
  options: Cancel,
): Promise<void> {
  if (depth > maxDepth) throw new EngineError("invalid", "the index holds indexes that are nested too deep");
  if (document.kind === "manifest") {
    for (const blob of [document.value.config, ...document.value.layers])
      await placeBlob(target, blob, sources, options);
    return;
  }
  for (const { digest } of document.value.manifests) {
    if (await present(target, digest, options)) continue;
    const { bytes, descriptor } = await firstThat(sources, (source) => source.manifest(digest, options));
    const member = readDocument(bytes, descriptor.mediaType);
    await placeParts(target, { document: member, sources, depth: depth + 1 }, options);
    await target.pushManifest(digest, { mediaType: member.mediaType, bytes }, options);
  }
}

async function placeBlob(
  target: Repository,
  blob: OciDescriptor,
  sources: readonly Repository[],
  options: Cancel,
): Promise<void> {
  const from = sources.map(({ name }) => name.slice(name.indexOf("/") + 1));
  const holder = async (): Promise<Repository> =>
    firstThat(sources, async (source) => {
      if (await source.has(blob.digest, options)) return source;
      throw new EngineError("not-found", `blob ${blob.digest} is not in ${source.name}`, { status: 404 });
    });
  const open = async function* (offsetBytes: number): AsyncGenerator<Uint8Array> {
    yield* (await holder()).blob(blob, { ...options, offsetBytes });
  };
  await target.pushBlob(blob, open, { ...options, from });
}

async function present(target: Repository, digest: string, options: Cancel): Promise<boolean> {
  try {
    await target.resolve(digest, options);
    return true;
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return false;
    throw error;
  }
}

/** The first source that can; what the last said otherwise. */
async function firstThat<T>(sources: readonly Repository[], work: (source: Repository) => Promise<T>): Promise<T> {
  let failure: unknown = new EngineError("not-found", "no repository to take it from was given");
  for (const source of sources) {
    try {
      return await work(source);
    } catch (error) {
      if (facts(error).status !== 404) throw error;
      failure = error;
    }
  }
  throw failure;
}
