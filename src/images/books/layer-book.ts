import type { ImageTable } from "./image.sql.ts";

/**
 * A layer as it travels: the blob whose plain content has the digest `diffId`, as this engine saw when it unpacked or
 * made it. Empty where that was never seen: manifests may lie about it. The blob itself may have been dropped.
 */
export interface LayerBlob {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly diffId: string;
}

/** Which blobs make which layers, and the repositories (`docker.io/library/busybox`) that are known to have them. */
export class LayerBook {
  readonly #table: ImageTable;
  readonly #layers = new Map<string, LayerBlob>();
  readonly #byDiffId = new Map<string, Set<string>>();
  readonly #places = new Map<string, Set<string>>();

  constructor(table: ImageTable) {
    this.#table = table;
    const { layers, places } = table.layers();
    for (const row of layers)
      this.#remember({
        digest: row.digest,
        mediaType: row.media_type,
        sizeBytes: row.size_bytes,
        diffId: row.diff_id,
      });
    for (const { digest, repository } of places) placesOf(this.#places, digest).add(repository);
  }

  get(digest: string): LayerBlob | undefined {
    return this.#layers.get(digest);
  }

  all(): readonly LayerBlob[] {
    return [...this.#layers.values()];
  }

  /** Blobs with that plain content: usually one. */
  ofDiffId(diffId: string): readonly LayerBlob[] {
    return [...(this.#byDiffId.get(diffId) ?? [])].flatMap((digest) => this.#layers.get(digest) ?? []);
  }

  /** Repositories that a blob was pulled from or pushed to. */
  places(digest: string): readonly string[] {
    return [...(this.#places.get(digest) ?? [])];
  }

  /** Writes rows inside a transaction of the caller; `remember` follows when that is committed. */
  write(layers: readonly LayerBlob[], repository: string): void {
    for (const layer of layers) {
      this.#table.putLayer({
        digest: layer.digest,
        media_type: layer.mediaType,
        size_bytes: layer.sizeBytes,
        diff_id: layer.diffId,
      });
      if (repository !== "") this.#table.putPlace(layer.digest, repository);
    }
  }

  remember(layers: readonly LayerBlob[], repository: string): void {
    for (const layer of layers) {
      this.#remember(layer);
      if (repository !== "") placesOf(this.#places, layer.digest).add(repository);
    }
  }

  /** Notes blobs, in one commit of its own. */
  add(layers: readonly LayerBlob[], repository = ""): void {
    if (layers.length === 0) return;
    this.#table.transaction(() => this.write(layers, repository));
    this.remember(layers, repository);
  }

  delete(digests: readonly string[]): void {
    if (digests.length === 0) return;
    this.#table.transaction(() => {
      for (const digest of digests) this.#table.deleteLayer(digest);
    });
    for (const digest of digests) {
      const layer = this.#layers.get(digest);
      this.#layers.delete(digest);
      this.#places.delete(digest);
      if (layer) this.#byDiffId.get(layer.diffId)?.delete(digest);
    }
  }

  #remember(layer: LayerBlob): void {
    const known = this.#layers.get(layer.digest);
    if (known && (known.diffId !== "" || layer.diffId === "")) return;
    this.#layers.set(layer.digest, layer);
    if (layer.diffId !== "") placesOf(this.#byDiffId, layer.diffId).add(layer.digest);
  }
}

function placesOf(map: Map<string, Set<string>>, key: string): Set<string> {
  const there = map.get(key);
  if (there) return there;
  const made = new Set<string>();
  map.set(key, made);
  return made;
}
