import type { ImageDeps } from "./deps.ts";
import type { LayerBlob } from "./books/layer-book.ts";

/**
 * Removes what no image, name or work in progress needs: documents, then blobs of layers and what is known of them.
 * Blobs that images never heard of are others' (a build's cache). Unpacked layers go with the images that need them
 * (`removeUnusedLayers`).
 */
export function removeUnused(deps: ImageDeps): void {
  const { documents, layers } = deps.book;
  const targets = new Set(deps.book.pointers().map(({ target }) => target));
  const needed = new Set<string>();
  const need = (digest: string): void => {
    const stored = documents.get(digest);
    if (!stored || needed.has(digest)) return;
    needed.add(digest);
    if (stored.document.kind === "index") for (const entry of stored.document.value.manifests) need(entry.digest);
  };
  for (const target of targets) need(target);
  for (const stored of documents.all())
    if (stored.imageId !== "" && deps.book.get(stored.imageId)) needed.add(stored.descriptor.digest);
  documents.delete(
    documents.all().flatMap(({ descriptor }) => (needed.has(descriptor.digest) ? [] : [descriptor.digest])),
  );

  const diffIds = new Set(deps.book.list().flatMap(({ config }) => config.rootfs.diff_ids));
  const named = new Set(
    documents
      .all()
      .flatMap(({ document }) => (document.kind === "manifest" ? document.value.layers : []))
      .map(({ digest }) => digest),
  );
  const gone = layers
    .all()
    .filter(({ digest, diffId }) => !diffIds.has(diffId) && !named.has(digest) && !deps.content.isLeased(digest));
  for (const { digest } of gone) deps.content.delete(digest);
  layers.delete(gone.map(({ digest }) => digest));
}

/** With the setting `drop`: removes blobs that can be made or fetched again. */
export function dropSpareBlobs(deps: ImageDeps, blobs: readonly LayerBlob[]): void {
  if (deps.settings.layerBlobs() === "keep") return;
  for (const blob of blobs)
    if (deps.content.has(blob.digest) && deps.book.layers.places(blob.digest).length > 0)
      deps.content.delete(blob.digest);
}
