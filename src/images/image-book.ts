import type { Database } from "bun:sqlite";
import { nowNs } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import type { OciImageConfig } from "../spec/oci/image.ts";
import { familiarName, familiarReference, parseReference, type Reference, withDefaultTag } from "../spec/reference.ts";
import { chainIds, sha256 } from "./chain-id.ts";
import type { Image } from "./image.ts";
import { ImageTable } from "./image.sql.ts";

/** An image with what only this feature needs. */
export interface BookedImage extends Image {
  /** The configuration's bytes. */
  readonly configBytes: Uint8Array;
  /** Id of the image it was committed from, or empty. */
  readonly parent: string;
}

/** The images of this data root: rows on disk, answers from memory. Every change is one durable commit. */
export class ImageBook {
  readonly #table: ImageTable;
  readonly #images = new Map<string, BookedImage>();
  /** Familiar references with tag or digest, to ids. */
  readonly #references = new Map<string, string>();
  #sorted: readonly BookedImage[] | undefined;

  constructor(db: Database) {
    this.#table = new ImageTable(db);
    const { images, references } = this.#table.rows();
    const names = Map.groupBy(references, (row) => row.image_id);
    for (const row of images) {
      const of = names.get(row.id) ?? [];
      this.#images.set(row.id, {
        ...describe(row.id, row.config),
        sizeBytes: row.size_bytes,
        parent: row.parent,
        taggedAtNs: BigInt(row.tagged_at_ns),
        references: of
          .filter((name) => !name.is_digest)
          .map((name) => name.reference)
          .sort(),
        digests: of
          .filter((name) => name.is_digest)
          .map((name) => name.reference)
          .sort(),
      });
    }
    for (const row of references) this.#references.set(row.reference, row.image_id);
  }

  /** See ImageStore. */
  resolve(text: string): BookedImage {
    const direct = this.#references.get(text) ?? this.#references.get(`${text}:latest`);
    const known = direct === undefined ? undefined : this.#images.get(direct);
    if (known && (text.includes("/") || !/^[0-9a-f]+$/.test(text))) return known;
    if (/^(sha256:)?[0-9a-f]{64}$/.test(text)) {
      const image = this.#images.get(text.startsWith("sha256:") ? text : `sha256:${text}`);
      if (image) return image;
      throw notFound(text);
    }
    const reference = withDefaultTag(parseReference(text));
    const id = this.#references.get(lookupKey(reference)) ?? this.#byPrefix(text);
    const image = id === undefined ? undefined : this.#images.get(id);
    if (!image) throw notFound(familiarReference(reference));
    return image;
  }

  get(id: string): BookedImage | undefined {
    return this.#images.get(id);
  }

  /** The image that a familiar reference points to. */
  pointed(reference: string): BookedImage | undefined {
    return this.#images.get(this.#references.get(reference) ?? "");
  }

  /** Newest first. */
  list(): readonly BookedImage[] {
    this.#sorted ??= [...this.#images.values()].sort((a, b) => createdMs(b) - createdMs(a) || (a.id < b.id ? -1 : 1));
    return this.#sorted;
  }

  children(id: string): readonly BookedImage[] {
    return this.list().filter((image) => image.parent === id);
  }

  /** Adds an image and points references at it, in one commit. An image that is there keeps its row. */
  add(
    image: { configBytes: Uint8Array; sizeBytes: number; parent?: string },
    references: readonly string[],
    digests: readonly string[] = [],
  ): BookedImage {
    const id = sha256(image.configBytes);
    const taggedAtNs = nowNs();
    const described = describe(id, image.configBytes);
    this.#table.db
      .transaction(() => {
        this.#table.insert({
          id,
          config: image.configBytes,
          size_bytes: image.sizeBytes,
          parent: image.parent ?? "",
          tagged_at_ns: taggedAtNs.toString(),
        });
        for (const reference of references) this.#table.point(reference, id, { digest: false, taggedAtNs });
        for (const digest of digests) this.#table.point(digest, id, { digest: true, taggedAtNs });
      })
      .immediate();
    if (!this.#images.has(id))
      this.#put({
        ...described,
        sizeBytes: image.sizeBytes,
        parent: image.parent ?? "",
        references: [],
        digests: [],
        taggedAtNs,
      });
    for (const reference of references) this.#point(reference, id, false, taggedAtNs);
    for (const digest of digests) this.#point(digest, id, true, taggedAtNs);
    return this.#must(id);
  }

  /** Moves a reference to the image; returns the image that had it before. */
  point(reference: string, id: string): BookedImage | undefined {
    const before = this.pointed(reference);
    const taggedAtNs = nowNs();
    this.#table.db.transaction(() => this.#table.point(reference, id, { digest: false, taggedAtNs })).immediate();
    this.#point(reference, id, false, taggedAtNs);
    return before;
  }

  drop(reference: string): void {
    this.#table.drop(reference);
    this.#forget(reference);
  }

  /** Removes the image's row and what is left of its references. */
  delete(id: string): void {
    const image = this.#must(id);
    const names = [...image.references, ...image.digests];
    this.#table.db
      .transaction(() => {
        for (const name of names) this.#table.drop(name);
        this.#table.delete(id);
      })
      .immediate();
    for (const name of names) this.#references.delete(name);
    this.#images.delete(id);
    this.#sorted = undefined;
  }

  #point(reference: string, id: string, digest: boolean, taggedAtNs: bigint): void {
    this.#forget(reference);
    this.#references.set(reference, id);
    const image = this.#must(id);
    const member = digest ? "digests" : "references";
    this.#put({ ...image, taggedAtNs, [member]: [...image[member], reference].sort() });
  }

  #forget(reference: string): void {
    const image = this.pointed(reference);
    this.#references.delete(reference);
    if (image)
      this.#put({
        ...image,
        references: image.references.filter((name) => name !== reference),
        digests: image.digests.filter((name) => name !== reference),
      });
  }

  #put(image: BookedImage): void {
    this.#images.set(image.id, image);
    this.#sorted = undefined;
  }

  #must(id: string): BookedImage {
    const image = this.#images.get(id);
    if (!image) throw notFound(id);
    return image;
  }

  /** The only image whose id starts so. */
  #byPrefix(text: string): string | undefined {
    const prefix = text.startsWith("sha256:") ? text : `sha256:${text}`;
    if (!/^sha256:[0-9a-f]+$/.test(prefix)) return undefined;
    const matches = [...this.#images.keys()].filter((id) => id.startsWith(prefix));
    return matches.length === 1 ? matches[0] : undefined;
  }
}

/** moby parity: the text that clients match on. */
export const notFound = (name: string): EngineError =>
  new EngineError("not-found", `No such image: ${name}`, { image: name });

function describe(
  id: string,
  configBytes: Uint8Array,
): { id: string; configBytes: Uint8Array; config: OciImageConfig; chainIds: string[] } {
  const config = JSON.parse(Buffer.from(configBytes).toString("utf8")) as OciImageConfig;
  return { id, configBytes, config, chainIds: chainIds(config.rootfs.diff_ids) };
}

/** A digest wins over a tag beside it. */
const lookupKey = (reference: Reference): string =>
  reference.digest === undefined ? familiarReference(reference) : `${familiarName(reference)}@${reference.digest}`;

const createdMs = (image: Image): number => Date.parse(image.config.created ?? "") || 0;
