import type { Database } from "bun:sqlite";
import { nowNs } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import type { OciImageConfig } from "../../spec/oci/image.ts";
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../spec/reference.ts";
import { chainIds, sha256 } from "../chain-id.ts";
import { DocumentBook, type NewDocument } from "./document-book.ts";
import type { Image } from "../image.ts";
import { ImageTable } from "./image.sql.ts";
import { type LayerBlob, LayerBook } from "./layer-book.ts";
import { choosePlatform, formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from "../platform.ts";

/** An image with what only this feature needs. */
export interface BookedImage extends Image {
  /** The configuration's bytes. */
  readonly configBytes: Uint8Array;
  /** Id of the image it was committed from, or empty. */
  readonly parent: string;
}

/** An image that comes in, with all that came with it. Written in one commit. */
export interface NewImage {
  readonly configBytes: Uint8Array;
  readonly sizeBytes: number;
  readonly parent?: string;
  /** Tags that shall point to it, familiar: `busybox:latest`. */
  readonly references?: readonly string[];
  /** Repository digests, familiar: `busybox@sha256:...`. */
  readonly digests?: readonly string[];
  /** Digest of the manifest or index behind the tags; it is among `documents` or here already. */
  readonly target?: string;
  /** The manifest that describes it. */
  readonly manifest?: NewDocument;
  /** Indexes on the way to the manifest. */
  readonly indexes?: readonly NewDocument[];
  readonly layers?: readonly LayerBlob[];
  /** Repository that has the layers: `docker.io/library/busybox`. */
  readonly repository?: string;
}

interface Pointer {
  readonly imageId: string;
  readonly target: string;
  readonly isDigest: boolean;
}
type Core = Omit<BookedImage, "references" | "variantOf" | "digests">;

const usedEveryNs = 3_600_000_000_000n; // an hour: removal counts in days

/** The images of this data root: rows on disk, answers from memory. Every change is one durable commit. */
export class ImageBook {
  readonly documents: DocumentBook;
  readonly layers: LayerBook;
  readonly #table: ImageTable;
  readonly #images = new Map<string, Core>();
  /** Familiar references with tag or digest. */
  readonly #references = new Map<string, Pointer>();
  /** Images with their names; made anew after a change. */
  /** When each image was last used: in memory, and on the disk. */
  readonly #used = new Map<string, { atNs: bigint; writtenNs: bigint }>();
  #views: ReadonlyMap<string, BookedImage> | undefined;
  #sorted: readonly BookedImage[] | undefined;

  constructor(db: Database) {
    this.#table = new ImageTable(db);
    this.documents = new DocumentBook(this.#table);
    this.layers = new LayerBook(this.#table);
    const { images, references } = this.#table.rows();
    for (const row of images)
      this.#images.set(row.id, {
        ...describe(row.id, row.config),
        sizeBytes: row.size_bytes,
        parent: row.parent,
        taggedAtNs: BigInt(row.tagged_at_ns),
      });
    for (const row of images) {
      const atNs = BigInt(row.used_at_ns ?? "0");
      this.#used.set(row.id, { atNs, writtenNs: atNs });
    }
    for (const row of references)
      this.#references.set(row.reference, { imageId: row.image_id, target: row.target, isDigest: row.is_digest === 1 });
  }

  /** See ImageStore. */
  resolve(text: string, options: { platform?: string } = {}): BookedImage {
    const image = this.#find(text);
    if (options.platform === undefined || options.platform === "") return image;
    const wanted = parsePlatform(options.platform);
    const target = this.targetOf(text);
    const chosen = choosePlatform(wanted, [...this.ofTarget(target), image], ({ config }) => config);
    if (chosen) return chosen;
    // moby parity: configurations name a wrong platform now and then, then the index counts
    const entries = this.documents.entries(target).filter(({ descriptor }) => descriptor.platform !== undefined);
    const entry = choosePlatform(wanted, entries, ({ descriptor }) => descriptor.platform);
    const listed = entry?.stored && this.get(entry.stored.imageId);
    if (listed) return listed;
    throw new EngineError(
      "not-found",
      `image with reference ${text} was found but its platform (${formatPlatform(normalizePlatform(image.config))}) does not match the specified platform (${formatPlatform(wanted)})`,
      { image: image.id },
    );
  }

  get(id: string): BookedImage | undefined {
    return this.#all().get(id);
  }

  /** The image that a familiar reference points to. */
  pointed(reference: string): BookedImage | undefined {
    return this.get(this.#references.get(reference)?.imageId ?? "");
  }

  /** Digest of the manifest or index that a reference (as people write it) stands for; empty for none and for ids. */
  targetOf(text: string): string {
    const direct = this.#references.get(text) ?? this.#references.get(`${text}:latest`);
    if (direct && (text.includes("/") || !/^[0-9a-f]+$/.test(text))) return direct.target;
    if (/^(sha256:)?[0-9a-f]{64}$/.test(text)) return "";
    return this.#references.get(lookupKey(withDefaultTag(parseReference(text))))?.target ?? "";
  }

  /** The images that are here of a manifest or index. */
  ofTarget(target: string): readonly BookedImage[] {
    if (target === "") return [];
    return this.documents.entries(target).flatMap(({ stored }) => (stored && this.get(stored.imageId)) || []);
  }

  /** Tags and repository digests with what they point to. */
  pointers(): readonly (Pointer & { readonly reference: string })[] {
    return [...this.#references].map(([reference, pointer]) => ({ reference, ...pointer }));
  }

  /** Newest first. */
  list(): readonly BookedImage[] {
    this.#sorted ??= [...this.#all().values()].sort((a, b) => createdMs(b) - createdMs(a) || (a.id < b.id ? -1 : 1));
    return this.#sorted;
  }

  /** Notes that the image is used. On the disk only now and then: a start must not wait for it. */
  use(id: string): void {
    if (!this.#images.has(id)) return;
    const atNs = nowNs();
    const { writtenNs } = this.#used.get(id) ?? { writtenNs: 0n };
    const stale = atNs - writtenNs > usedEveryNs;
    if (stale) this.#table.use(id, atNs);
    this.#used.set(id, { atNs, writtenNs: stale ? atNs : writtenNs });
  }

  /** When it was last used, tagged or brought here. */
  lastUsedNs(id: string): bigint {
    const used = this.#used.get(id)?.atNs ?? 0n;
    const tagged = this.#images.get(id)?.taggedAtNs ?? 0n;
    return used > tagged ? used : tagged;
  }

  children(id: string): readonly BookedImage[] {
    return this.list().filter((image) => image.parent === id);
  }

  /** Adds an image and points references at it, in one commit. An image that is there keeps its row. */
  add(image: NewImage): BookedImage {
    const id = sha256(image.configBytes);
    const taggedAtNs = nowNs();
    const described = describe(id, image.configBytes);
    const { target = "", repository = "", layers = [], indexes = [], references = [], digests = [] } = image;
    const row = { sizeBytes: image.sizeBytes, parent: image.parent ?? "", taggedAtNs };
    const names = [
      ...references.map((reference) => ({ reference, digest: false })),
      ...digests.map((reference) => ({ reference, digest: true })),
    ];
    this.#table.transaction(() => {
      this.#table.insert({
        id,
        config: image.configBytes,
        size_bytes: row.sizeBytes,
        parent: row.parent,
        tagged_at_ns: taggedAtNs.toString(),
      });
      if (image.manifest) this.documents.write(image.manifest, id);
      for (const index of indexes) this.documents.write(index, "");
      this.layers.write(layers, repository);
      for (const { reference, digest } of names) this.#table.point(reference, id, { digest, target, taggedAtNs });
    });
    const known = this.#images.get(id);
    this.#images.set(id, known ? { ...known, ...(names.length > 0 && { taggedAtNs }) } : { ...described, ...row });
    if (image.manifest) this.documents.remember(image.manifest, id);
    for (const index of indexes) this.documents.remember(index, "");
    this.layers.remember(layers, repository);
    for (const { reference, digest } of names)
      this.#references.set(reference, { imageId: id, target, isDigest: digest });
    this.#changed();
    for (const { reference } of names) this.#choose(reference);
    return this.#must(id);
  }

  /** Moves a reference to the image; returns the image that had it before. */
  point(reference: string, id: string, options: { target?: string; digest?: boolean } = {}): BookedImage | undefined {
    const before = this.pointed(reference);
    const taggedAtNs = nowNs();
    const pointer = { imageId: id, target: options.target ?? "", isDigest: options.digest === true };
    this.#table.transaction(() =>
      this.#table.point(reference, id, { digest: pointer.isDigest, target: pointer.target, taggedAtNs }),
    );
    this.#references.set(reference, pointer);
    this.#images.set(id, { ...this.#must(id), taggedAtNs });
    this.#changed();
    return before;
  }

  /** Keeps a manifest that was made for an image here, and indexes. */
  addDocuments(documents: readonly (NewDocument & { readonly imageId: string })[]): void {
    this.#table.transaction(() => {
      for (const document of documents) this.documents.write(document, document.imageId);
    });
    for (const document of documents) this.documents.remember(document, document.imageId);
    this.#changed();
  }

  drop(reference: string): void {
    this.#table.drop(reference);
    this.#references.delete(reference);
    this.#changed();
  }

  /** Removes the image's row and what is left of its references. */
  delete(id: string): void {
    const image = this.#must(id);
    const names = [...image.references, ...image.digests];
    this.#table.transaction(() => {
      for (const name of names) this.#table.drop(name);
      this.#table.delete(id);
    });
    for (const name of names) this.#references.delete(name);
    this.#images.delete(id);
    this.#used.delete(id);
    this.#changed();
  }

  /** Of several platforms behind a reference the best for this host is what it means. */
  #choose(reference: string): void {
    const pointer = this.#references.get(reference);
    if (!pointer) return;
    const best = choosePlatform(hostPlatform, this.ofTarget(pointer.target), ({ config }) => config);
    if (best && best.id !== pointer.imageId)
      this.point(reference, best.id, { target: pointer.target, digest: pointer.isDigest });
  }

  #find(text: string): BookedImage {
    const direct = this.#references.get(text) ?? this.#references.get(`${text}:latest`);
    const known = direct === undefined ? undefined : this.get(direct.imageId);
    if (known && (text.includes("/") || !/^[0-9a-f]+$/.test(text))) return known;
    if (/^(sha256:)?[0-9a-f]{64}$/.test(text)) {
      const image = this.get(text.startsWith("sha256:") ? text : `sha256:${text}`);
      if (image) return image;
      throw notFound(text);
    }
    const reference = withDefaultTag(parseReference(text));
    const id = this.#references.get(lookupKey(reference))?.imageId ?? this.#byPrefix(text);
    const image = id === undefined ? undefined : this.get(id);
    if (!image) throw notFound(familiarReference(reference));
    return image;
  }

  #all(): ReadonlyMap<string, BookedImage> {
    this.#views ??= withNames(this.#images, this.#references, this.documents);
    return this.#views;
  }

  #changed(): void {
    this.#views = undefined;
    this.#sorted = undefined;
  }

  #must(id: string): BookedImage {
    const image = this.get(id);
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

function withNames(
  images: ReadonlyMap<string, Core>,
  references: ReadonlyMap<string, Pointer>,
  documents: DocumentBook,
): Map<string, BookedImage> {
  const names = new Map<string, Record<"references" | "variantOf" | "digests", string[]>>();
  for (const id of images.keys()) names.set(id, { references: [], variantOf: [], digests: [] });
  for (const [reference, { imageId, target, isDigest }] of references) {
    names.get(imageId)?.[isDigest ? "digests" : "references"].push(reference);
    if (isDigest || target === "") continue;
    for (const { stored } of documents.entries(target))
      if (stored && stored.imageId !== imageId) names.get(stored.imageId)?.variantOf.push(reference);
  }
  const none = { references: [], variantOf: [], digests: [] };
  return new Map(
    [...images].map(([id, core]) => {
      const { references: tags, variantOf, digests } = names.get(id) ?? none;
      return [id, { ...core, references: tags.sort(), variantOf: variantOf.sort(), digests: digests.sort() }];
    }),
  );
}

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
