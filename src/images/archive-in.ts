import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { EngineError, errorMessage } from "../base/errors.ts";
import { decompress } from "../content/decompress.ts";
import type { ContentStore, Spool } from "../content/store.ts";

const maxMembers = 200_000;
const maxBytes = 512 * 1024 ** 3;
/** Manifests and configurations are some kilobytes; Docker's own limit for manifests is 4 MiB. */
const maxDocumentBytes = 8 * 1024 * 1024;

export const badImage = (text: string): EngineError => new EngineError("invalid", text);

/** The members of an image archive, received and hashed, under the names they have in it. */
export class ImageArchive implements AsyncDisposable {
  readonly #files = new Map<string, Spool>();
  readonly #links = new Map<string, string>();

  /** Receives an archive, plain or compressed. Throws `invalid` for one that is broken. */
  static async receive(source: Readable, content: ContentStore, signal?: AbortSignal): Promise<ImageArchive> {
    const archive = new ImageArchive();
    try {
      await archive.#read(source, content, signal);
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
  file(name: string): Spool {
    const file = this.#find(name);
    if (!file) throw badImage(`invalid image archive: ${JSON.stringify(name)} is named but not in it`);
    const named = /(?:^blobs\/sha256\/|^)([0-9a-f]{64})(?:\.json)?$/.exec(clean(name))?.[1];
    if (named !== undefined && file.digest !== `sha256:${named}`)
      throw badImage(`invalid image archive: the digest of ${name} is ${file.digest}`);
    return file;
  }

  async document(name: string): Promise<{ bytes: Buffer; value: unknown }> {
    const file = this.file(name);
    if (file.sizeBytes > maxDocumentBytes)
      throw badImage(`invalid image archive: ${name} is longer than ${maxDocumentBytes} bytes`);
    const bytes = await readFile(file.path);
    try {
      return { bytes, value: JSON.parse(bytes.toString("utf8")) as unknown };
    } catch (error) {
      throw badImage(`invalid image archive: ${name} is not JSON: ${errorMessage(error)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file[Symbol.asyncDispose]();
  }

  #find(name: string): Spool | undefined {
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

  async #read(source: Readable, content: ContentStore, signal?: AbortSignal): Promise<void> {
    const members = extract();
    const input = Readable.from(decompress(source), { objectMode: false });
    input.once("error", (error) => members.destroy(error));
    input.pipe(members);
    let count = 0;
    let bytes = 0;
    try {
      for await (const member of members) {
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
          const file = await content.spool(member as AsyncIterable<Uint8Array>, {
            sizeBytes: size,
            ...(signal ? { signal } : {}),
          });
          const before = this.#files.get(path);
          if (before) {
            await file[Symbol.asyncDispose]();
            if (before.digest !== file.digest)
              throw badImage(`invalid image archive: it holds two different ${JSON.stringify(path)}`);
          } else this.#files.set(path, file);
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
}

/** Names are only compared, never opened: this just makes `./a` and `a` the same. */
const clean = (name: string): string => posix.normalize(name).replace(/^(\.?\/)+/, "");
