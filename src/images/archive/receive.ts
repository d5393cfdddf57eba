import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { EngineError, errorKind, errorMessage } from "../../base/errors.ts";
import { decompress, detectCompression } from "../../content/decompress.ts";
import type { ContentStore, Spool } from "../../content/store.ts";
import type { LayerStore, StagedLayer } from "../../snapshots/layers.ts";

const maxMembers = 200_000;
const maxBytes = 512 * 1024 ** 3;
/** Manifests and configurations are some kilobytes; Docker's own limit for manifests is 4 MiB. */
const maxDocumentBytes = 8 * 1024 * 1024;
const tarBlockBytes = 512;

export const badImage = (text: string): EngineError => new EngineError("invalid", text);

/** A file of an archive: its bytes, the layer that was unpacked of it while it came in, or both. */
export interface Member {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Compressed, so that it is worth keeping as it came. */
  readonly isPacked: boolean;
}

interface Received extends Member {
  readonly spool?: Spool;
  /** A layer, or why it is none. */
  readonly unpacked?: Promise<{ readonly staged: StagedLayer } | { readonly failure: unknown }>;
}

export interface ReceiveOptions {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  /**
   * What is here of a layer's blob, by the digest in the member's name: with its content it need not be unpacked, with
   * its bytes too not even kept.
   */
  readonly known: (digest: string) => "bytes" | "content" | undefined;
  /** Told as layers come in. */
  readonly progress: (member: { name: string; current: number; total: number }) => void;
  readonly signal?: AbortSignal;
}

/** The members of an image archive under the names they have in it. Layers are unpacked while they arrive. */
export class ImageArchive implements AsyncDisposable {
  readonly #options: ReceiveOptions;
  readonly #files = new Map<string, Received>();
  readonly #links = new Map<string, string>();
  readonly #taken = new Set<StagedLayer>();

  private constructor(options: ReceiveOptions) {
    this.#options = options;
  }

  /** Receives a plain archive. Throws `invalid` for one that is broken. */
  static async receive(source: AsyncIterable<Uint8Array>, options: ReceiveOptions): Promise<ImageArchive> {
    const archive = new ImageArchive(options);
    try {
      await archive.#read(source);
      return archive;
    } catch (error) {
      await archive[Symbol.asyncDispose]();
      throw error;
    }
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** A member; invalid when it is not there, or when its name is a digest that is not its own. */
  file(name: string): Member {
    return this.#file(name);
  }

  async document(name: string): Promise<{ bytes: Buffer; value: unknown }> {
    const { spool, sizeBytes } = this.#file(name);
    if (sizeBytes > maxDocumentBytes)
      throw badImage(`invalid image archive: ${name} is longer than ${maxDocumentBytes} bytes`);
    if (!spool) throw badImage(`invalid image archive: ${name} is an archive, not JSON`);
    const bytes = await readFile(spool.path);
    try {
      return { bytes, value: JSON.parse(bytes.toString("utf8")) as unknown };
    } catch (error) {
      throw badImage(`invalid image archive: ${name} is not JSON: ${errorMessage(error)}`);
    }
  }

  /** The member unpacked; undefined when that was given away already and its bytes are gone. The caller disposes it. */
  async layer(name: string): Promise<StagedLayer | undefined> {
    const file = this.#file(name);
    const unpacked = await file.unpacked;
    if (unpacked && "failure" in unpacked) throw unpacked.failure;
    if (unpacked && !this.#taken.has(unpacked.staged)) {
      this.#taken.add(unpacked.staged);
      return unpacked.staged;
    }
    return file.spool && this.#unpack(this.#packed(file.spool, clean(name)));
  }

  /** The member's bytes, to be kept as a blob; undefined when they were only unpacked. */
  spool(name: string): Spool | undefined {
    return this.#file(name).spool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { spool, unpacked } of this.#files.values()) {
      const layer = await unpacked;
      if (layer && "staged" in layer && !this.#taken.has(layer.staged)) await layer.staged[Symbol.asyncDispose]();
      await spool?.[Symbol.asyncDispose]();
    }
  }

  #file(name: string): Received {
    const file = this.#find(name);
    if (!file) throw badImage(`invalid image archive: ${JSON.stringify(name)} is named but not in it`);
    const named = namedDigest(clean(name)) ?? legacyName(clean(name));
    if (named !== undefined && file.digest !== named)
      throw badImage(`invalid image archive: the digest of ${name} is ${file.digest}`);
    return file;
  }

  #find(name: string): Received | undefined {
    let path = clean(name);
    // archives of old engines share layers by links
    for (let hops = 0; hops < 8; hops++) {
      const file = this.#files.get(path);
      if (file) return file;
      const target = this.#links.get(path);
      if (target === undefined) return undefined;
      path = target;
    }
    return undefined;
  }

  async #read(source: AsyncIterable<Uint8Array>): Promise<void> {
    const { signal } = this.#options;
    const members = extract();
    const input = Readable.from(source, { objectMode: false });
    input.once("error", (error) => members.destroy(error));
    input.pipe(members);
    let count = 0;
    let bytes = 0;
    try {
      for await (const member of members) {
        signal?.throwIfAborted();
        const { name, type, size, linkname } = member.header;
        if (++count > maxMembers) throw badImage(`invalid image archive: more than ${maxMembers} members`);
        bytes += size;
        if (bytes > maxBytes) throw badImage(`invalid image archive: more than ${maxBytes} bytes`);
        const path = clean(name);
        if (type === "symlink" || type === "link") {
          this.#links.set(
            path,
            clean(type === "link" ? (linkname ?? "") : posix.join(posix.dirname(path), linkname ?? "")),
          );
        } else if (type === "file" || type === "contiguous-file") {
          await this.#add(path, await this.#receive(member as AsyncIterable<Uint8Array>, path, size));
          continue;
        }
        member.resume();
      }
    } catch (error) {
      if (error instanceof EngineError || signal?.aborted) throw error;
      throw badImage(`invalid image archive: ${errorMessage(error)}`);
    } finally {
      input.destroy();
    }
  }

  async #add(path: string, file: Received): Promise<void> {
    const before = this.#files.get(path);
    this.#files.set(before ? `${path}\0second` : path, file); // there under a name nobody asks for, to be disposed
    if (before && before.digest !== file.digest)
      throw badImage(`invalid image archive: it holds two different ${JSON.stringify(path)}`);
  }

  /** A plain layer goes straight to its place; what is compressed is kept as it came, and unpacked beside that. */
  async #receive(member: AsyncIterable<Uint8Array>, path: string, sizeBytes: number): Promise<Received> {
    const { content, signal } = this.#options;
    const iterator = member[Symbol.asyncIterator]();
    const first = await peek(iterator);
    const named = namedDigest(path);
    const packing = detectCompression(first);
    const isPacked = packing === "gzip" || packing === "zstd";
    const isTar = packing === "plain" && first.subarray(257, 262).toString("latin1") === "ustar";
    const whole = rest(first, iterator);
    const known = named === undefined ? undefined : this.#options.known(named);
    if (known === "bytes" && named !== undefined) {
      // its content is not used: what is here was verified when it came
      for await (const _chunk of whole);
      return { digest: named, sizeBytes, isPacked };
    }
    const isNew = known === undefined;
    if (isTar && isNew && named?.startsWith("sha512:") !== true) return this.#receiveTar(whole, path, sizeBytes);
    const spool = await content.spool(whole, {
      sizeBytes,
      ...(named?.startsWith("sha512:") === true && { digest: named }),
      ...(signal && { signal }),
    });
    const { digest } = spool;
    if (!isPacked || !isNew) return { digest, sizeBytes, isPacked, spool };
    return { digest, sizeBytes, isPacked, spool, unpacked: settled(this.#unpack(this.#packed(spool, path))) };
  }

  async #receiveTar(whole: AsyncIterable<Uint8Array>, path: string, sizeBytes: number): Promise<Received> {
    const unpacked = await settled(this.#unpack(this.#counted(whole, path, sizeBytes)));
    // a full disk is no matter of this member
    if ("failure" in unpacked && (this.#options.signal?.aborted || errorKind(unpacked.failure) !== "invalid"))
      throw unpacked.failure;
    // what was not read to its end has the digest that its name says: nobody sees more of it than the failure
    const digest = "staged" in unpacked ? unpacked.staged.applied.diffId : (namedDigest(path) ?? "");
    return { digest, sizeBytes, isPacked: false, unpacked: Promise.resolve(unpacked) };
  }

  #unpack(tar: AsyncIterable<Uint8Array>): Promise<StagedLayer> {
    const { layers, signal } = this.#options;
    return layers.stage(tar, signal ? { signal } : {});
  }

  #packed(spool: Spool, path: string): AsyncIterable<Uint8Array> {
    const bytes = createReadStream(spool.path, { highWaterMark: 512 * 1024 }) as AsyncIterable<Buffer>;
    return decompress(this.#counted(bytes, path, spool.sizeBytes));
  }

  async *#counted(chunks: AsyncIterable<Uint8Array>, name: string, total: number): AsyncGenerator<Uint8Array, void> {
    let current = 0;
    let told = 0;
    for await (const chunk of chunks) {
      current += chunk.length;
      if (current === total || current - told >= 1024 * 1024) {
        this.#options.progress({ name, current, total });
        told = current;
      }
      yield chunk;
    }
  }
}

const settled = (work: Promise<StagedLayer>): Promise<{ staged: StagedLayer } | { failure: unknown }> =>
  work.then(
    (staged) => ({ staged }),
    (failure: unknown) => ({ failure }), // thrown when the member turns out to be a layer that is needed
  );

/** Names are only compared, never opened: this just makes `./a` and `a` the same. */
const clean = (name: string): string => posix.normalize(name).replace(/^(\.?\/)+/, "");

/** The digest that a blob's name promises. */
function namedDigest(path: string): string | undefined {
  const [, algorithm, hex] = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path) ?? [];
  return hex?.length === (algorithm === "sha256" ? 64 : 128) ? `${algorithm}:${hex}` : undefined;
}

/** Docker's archives before 25 named configurations so. */
function legacyName(path: string): string | undefined {
  const hex = /^([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  return hex && `sha256:${hex}`;
}

/** The first block or more; less only at the end. */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < tarBlockBytes) {
    const next = await iterator.next();
    if (next.done) break;
    first = first.length === 0 ? Buffer.from(next.value) : Buffer.concat([first, next.value]);
  }
  return first;
}

/** All of a member. Reads to its end also when the consumer stops: the next member comes behind it. */
async function* rest(first: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let ended = false;
  try {
    if (first.length > 0) yield first;
    for (;;) {
      const next = await iterator.next();
      ended = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    while (!ended) ended = (await iterator.next()).done === true;
  }
}
