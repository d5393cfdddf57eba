import { closeSync, existsSync, openSync, read, readdirSync, readSync } from "node:fs";
import { nameBytes, writeAll } from "../../kernel/fs-node.ts";
import { openFlags, openInRoot, openRoot } from "../../kernel/openat2.ts";
import type { Recorder } from "./tar-reader.ts";

// What an unpacked layer needs beside its files to become the same tar again, byte for byte: the headers and padding,
// with the place of each file's content. Blocks of records, each block compressed: u32 length, then zstd of
//   0, u32 length, bytes          as they are
//   1, u32 length, path, u64 size content of that file of the layer

/** Where the content of files lies that later members of the archive replaced. */
export const keptFolder = (split: string): string => `${split}.kept`;

const blockBytes = 1024 * 1024;

/** Writes the records while the layer is unpacked. */
export class SplitWriter implements Recorder {
  /** Folder for content that does not stay in the tree. */
  readonly keptFd: number;
  readonly #fd: number;
  #parts: Buffer[] = [];
  #pending = 0;
  /** Raw bytes since the last record are one record. */
  #raw: Buffer[] = [];
  #rawBytes = 0;

  constructor(fd: number, keptFd: number) {
    this.#fd = fd;
    this.keptFd = keptFd;
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#raw.push(Buffer.from(bytes)); // a copy: the view's memory is used again
    this.#rawBytes += bytes.length;
    if (this.#rawBytes >= blockBytes) this.#closeRaw();
  }

  /** The content of a plain file. */
  file(path: string, sizeBytes: number): void {
    this.#closeRaw();
    const name = Buffer.from(path, "latin1");
    const record = Buffer.alloc(5 + name.length + 8);
    record[0] = 1;
    record.writeUInt32LE(name.length, 1);
    name.copy(record, 5);
    record.writeBigUInt64LE(BigInt(sizeBytes), 5 + name.length);
    this.#push(record);
  }

  end(): void {
    this.#closeRaw();
    this.#flush();
  }

  #closeRaw(): void {
    if (this.#rawBytes === 0) return;
    const head = Buffer.alloc(5);
    head.writeUInt32LE(this.#rawBytes, 1);
    this.#push(Buffer.concat([head, ...this.#raw]));
    this.#raw = [];
    this.#rawBytes = 0;
  }

  #push(record: Buffer): void {
    this.#parts.push(record);
    this.#pending += record.length;
    if (this.#pending >= blockBytes) this.#flush();
  }

  #flush(): void {
    if (this.#pending === 0) return;
    const packed = Bun.zstdCompressSync(Buffer.concat(this.#parts), { level: 1 });
    const head = Buffer.alloc(4);
    head.writeUInt32LE(packed.length);
    writeAll(this.#fd, head);
    writeAll(this.#fd, packed);
    this.#parts = [];
    this.#pending = 0;
  }
}

type Record = { raw: Buffer } | { file: string; sizeBytes: number };

function* records(path: string): Generator<Record> {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(4);
    while (readSync(fd, head, 0, 4, null) === 4) {
      const packed = Buffer.alloc(head.readUInt32LE());
      if (readSync(fd, packed, 0, packed.length, null) !== packed.length) throw new Error(`${path} is cut short`);
      const block = Buffer.from(Bun.zstdDecompressSync(packed));
      for (let at = 0; at < block.length;) {
        const length = block.readUInt32LE(at + 1);
        const body = block.subarray(at + 5, at + 5 + length);
        at += 5 + length;
        if (block[at - 5 - length] === 0) yield { raw: body };
        else {
          yield { file: body.toString("latin1"), sizeBytes: Number(block.readBigUInt64LE(at)) };
          at += 8;
        }
      }
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * The layer's tar again, from its files and records, with bounded memory. The files' paths are the archive's own and
 * may lead through links: the kernel resolves them inside the layer's folder.
 */
export async function* rebuildTar(layer: { folder: string; split: string }): AsyncGenerator<Buffer> {
  const root = openRoot(layer.folder);
  const kept = keptFolder(layer.split);
  const keptNumbers = new Set(existsSync(kept) ? readdirSync(kept) : []);
  let files = 0;
  let small: Buffer[] = [];
  let smallBytes = 0;
  try {
    for (const record of records(layer.split)) {
      if ("raw" in record) {
        small.push(record.raw);
        smallBytes += record.raw.length;
      } else {
        const number = String(files++);
        const fd = keptNumbers.has(number)
          ? openSync(`${kept}/${number}`, "r")
          : openInRoot(root, nameBytes(record.file), { flags: openFlags.read | openFlags.noFollow });
        try {
          for (let left = record.sizeBytes; left > 0;) {
            const bytes = Buffer.alloc(Math.min(left, 512 * 1024));
            const got = left <= 64 * 1024 ? readSync(fd, bytes, 0, bytes.length, null) : await readSome(fd, bytes);
            if (got === 0) throw new Error(`${record.file} of ${layer.folder} is shorter than it was`);
            small.push(bytes.subarray(0, got));
            smallBytes += got;
            left -= got;
            if (smallBytes >= 512 * 1024) {
              yield Buffer.concat(small);
              small = [];
              smallBytes = 0;
            }
          }
        } finally {
          closeSync(fd);
        }
      }
      if (smallBytes >= 512 * 1024) {
        yield Buffer.concat(small);
        small = [];
        smallBytes = 0;
      }
    }
    if (smallBytes > 0) yield Buffer.concat(small);
  } finally {
    closeSync(root);
  }
}

const readSome = (fd: number, bytes: Buffer): Promise<number> =>
  new Promise((resolve, reject) =>
    read(fd, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count))),
  );
