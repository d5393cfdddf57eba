import { badArchive, number, parseHeader, parsePax, paxNumber, paxTime, text } from "./tar-header.ts";

/** One member of an archive. Names are one character per byte. */
export interface TarEntry {
  readonly name: string;
  readonly type: "file" | "link" | "symlink" | "character" | "block" | "folder" | "fifo";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly linkName: string;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: readonly (readonly [name: string, value: Buffer])[];
  /** Length of the file. */
  readonly sizeBytes: number;
  /** Bytes that follow in the archive. */
  readonly storedBytes: number;
  /** Where the stored bytes belong in a sparse file; undefined: it is stored whole. */
  readonly sparse: readonly SparsePart[] | undefined;
}
export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes come from. A view is valid until the next call. */
export interface ByteSource {
  next(): Uint8Array | undefined;
}

/** Told of every byte: `raw` for what is not the whole content of a plain file. */
export interface Recorder {
  raw(bytes: Uint8Array): void;
}

const maxMetaBytes = 1024 * 1024; // of one extended header or long name, as Go's archive/tar
const maxSparseParts = 1_000_000;

/** Reads tar archives synchronously: ustar, pax, GNU; sparse files of all four forms. */
export class TarReader {
  readonly #source: ByteSource;
  readonly #recorder: Recorder | undefined;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Bytes of the current member that are not read yet, and its padding. */
  #left = 0;
  #padding = 0;

  constructor(source: ByteSource, recorder?: Recorder) {
    this.#source = source;
    this.#recorder = recorder;
  }

  /** The next member; undefined at the end of the archive, when the source is used up too. */
  next(): TarEntry | undefined {
    this.skipContent();
    let pax: [string, Buffer][] = [];
    let longName: string | undefined;
    let longLink: string | undefined;
    for (;;) {
      const block = this.#block();
      if (!block) return this.#finish();
      const header = parseHeader(block);
      if (!header) {
        const second = this.#block();
        if (second && parseHeader(second)) throw badArchive("invalid tar header");
        return this.#finish();
      }
      if (header.type === "x") pax = parsePax(this.#meta(header.sizeBytes));
      else if (header.type === "g") this.#meta(header.sizeBytes);
      else if (header.type === "L") longName = cut(this.#meta(header.sizeBytes));
      else if (header.type === "K") longLink = cut(this.#meta(header.sizeBytes));
      else {
        const oldSparse = header.type === "S" ? this.#oldSparse(Buffer.from(block)) : undefined;
        const entry = this.#entry(header, pax, { longName, longLink, oldSparse });
        return entry;
      }
    }
  }

  /** The next bytes of the current member, at most what the source holds ready; undefined when all are read. */
  content(byReference = false, atMost = Number.MAX_SAFE_INTEGER): Uint8Array | undefined {
    if (this.#left === 0) return undefined;
    const view = this.#some(Math.min(this.#left, atMost));
    this.#left -= view.length;
    if (!byReference) this.#recorder?.raw(view);
    return view;
  }

  /** Reads past what is left of the member, padding included. */
  skipContent(): void {
    while (this.content()) continue;
    this.#skip(this.#padding);
    this.#padding = 0;
  }

  #entry(
    header: NonNullable<ReturnType<typeof parseHeader>>,
    pax: readonly [string, Buffer][],
    long: {
      longName: string | undefined;
      longLink: string | undefined;
      oldSparse: { parts: SparsePart[]; realBytes: number } | undefined;
    },
  ): TarEntry {
    let { uid, gid } = header;
    let name = long.longName ?? header.name;
    let linkName = long.longLink ?? header.linkName;
    let mtimeNs = BigInt(header.mtimeSeconds) * 1_000_000_000n;
    let storedBytes = header.sizeBytes;
    const xattrs: [string, Buffer][] = [];
    for (const [key, value] of pax) {
      if (key === "path") name = value.toString("latin1");
      else if (key === "linkpath") linkName = value.toString("latin1");
      else if (key === "size") storedBytes = paxNumber(value, key);
      else if (key === "uid") uid = paxNumber(value, key);
      else if (key === "gid") gid = paxNumber(value, key);
      else if (key === "mtime") mtimeNs = paxTime(value);
      else if (key.startsWith("SCHILY.xattr.")) xattrs.push([key.slice(13), value]);
    }
    const type = typeOf(header.type, name);
    if (type !== "file") storedBytes = 0; // as Go's archive/tar: only files have content
    this.#left = storedBytes;
    this.#padding = (512 - (storedBytes % 512)) % 512;
    let sparse = long.oldSparse?.parts;
    let sizeBytes = long.oldSparse?.realBytes ?? storedBytes;
    const paxSparse = type === "file" && !long.oldSparse ? this.#paxSparse(pax) : undefined;
    if (paxSparse) {
      sparse = paxSparse.parts;
      sizeBytes = paxSparse.realBytes;
      name = paxSparse.name ?? name;
      storedBytes = this.#left;
    }
    if (sparse) checkSparse(sparse, sizeBytes, storedBytes);
    if (name === "" || name.includes("\0") || linkName.includes("\0")) throw badArchive("invalid name in a header");
    if (uid >= 0xffff_ffff || gid >= 0xffff_ffff) throw badArchive(`owner ${uid}:${gid} is out of range`);
    const { mode, devMajor, devMinor } = header;
    return {
      name,
      type,
      mode,
      uid,
      gid,
      mtimeNs,
      linkName,
      devMajor,
      devMinor,
      xattrs,
      sizeBytes,
      storedBytes,
      sparse,
    };
  }

  /** GNU.sparse 0.0, 0.1 and 1.0; GNU tar manual, "Storing Sparse Files". */
  #paxSparse(
    pax: readonly [string, Buffer][],
  ): { parts: SparsePart[]; realBytes: number; name: string | undefined } | undefined {
    const records = new Map(pax);
    const realSize = records.get("GNU.sparse.realsize") ?? records.get("GNU.sparse.size");
    if (!realSize) return undefined;
    const realBytes = paxNumber(realSize, "GNU.sparse.realsize");
    const name = records.get("GNU.sparse.name")?.toString("latin1");
    const numbers: number[] = [];
    if (records.get("GNU.sparse.major")?.toString() === "1") {
      const count = this.#decimalLine();
      if (count > maxSparseParts) throw badArchive("sparse file with too many parts");
      for (let index = 0; index < count * 2; index++) numbers.push(this.#decimalLine());
      this.#mapPadding();
    } else {
      for (const [key, value] of pax) {
        if (key === "GNU.sparse.map")
          numbers.push(
            ...value
              .toString("latin1")
              .split(",")
              .filter(Boolean)
              .map((digits) => paxNumber(Buffer.from(digits), key)),
          );
        else if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") numbers.push(paxNumber(value, key));
      }
    }
    return { parts: pairs(numbers), realBytes, name };
  }

  #mapBytes = 0;
  /** One line of the map that format 1.0 puts before the content. */
  #decimalLine(): number {
    let value = 0;
    for (let digits = 0; ; digits++) {
      if (this.#left === 0 || digits > 16) throw badArchive("invalid sparse map");
      const byte = this.#some(1)[0] ?? 0;
      this.#recorder?.raw(Uint8Array.of(byte));
      this.#left--;
      this.#mapBytes++;
      if (byte === 10 && digits > 0) return value;
      if (byte < 48 || byte > 57) throw badArchive("invalid sparse map");
      value = value * 10 + byte - 48;
    }
  }
  #mapPadding(): void {
    let rest = (512 - (this.#mapBytes % 512)) % 512;
    this.#mapBytes = 0;
    if (rest > this.#left) throw badArchive("invalid sparse map");
    this.#left -= rest;
    while (rest > 0) {
      const view = this.#some(rest);
      this.#recorder?.raw(view);
      rest -= view.length;
    }
  }

  #oldSparse(block: Buffer): { parts: SparsePart[]; realBytes: number } {
    const numbers: number[] = [];
    const realBytes = number(block, 483, 12);
    const take = (from: Buffer, start: number, count: number): void => {
      for (let index = 0; index < count; index++) {
        if (from[start + index * 24] === 0) return;
        numbers.push(number(from, start + index * 24, 12), number(from, start + index * 24 + 12, 12));
      }
    };
    take(block, 386, 4);
    let more = block[482] !== 0;
    while (more) {
      const extension = this.#block();
      if (!extension || numbers.length > maxSparseParts * 2) throw badArchive("invalid sparse map");
      const bytes = Buffer.from(extension);
      take(bytes, 0, 21);
      more = bytes[504] !== 0;
    }
    return { parts: pairs(numbers), realBytes };
  }

  #meta(sizeBytes: number): Buffer {
    if (sizeBytes > maxMetaBytes) throw badArchive("header field too long");
    const bytes = Buffer.from(this.#exactly(sizeBytes));
    this.#recorder?.raw(bytes);
    this.#skip((512 - (sizeBytes % 512)) % 512);
    return bytes;
  }

  /** Reads bytes of no meaning; they are read whether or not somebody records them. */
  #skip(count: number): void {
    if (count === 0) return;
    const bytes = this.#exactly(count);
    this.#recorder?.raw(bytes);
  }

  /** A header block; undefined at a clean end of the source. */
  #block(): Uint8Array | undefined {
    if (!this.#ready()) return undefined;
    const block = this.#exactly(512);
    this.#recorder?.raw(block);
    return block;
  }

  #finish(): undefined {
    // what follows the end mark belongs to the layer's digest
    while (this.#ready()) {
      this.#recorder?.raw(this.#chunk.subarray(this.#at));
      this.#at = this.#chunk.length;
    }
    return undefined;
  }

  #ready(): boolean {
    while (this.#at === this.#chunk.length) {
      const chunk = this.#source.next();
      if (!chunk) return false;
      this.#chunk = chunk;
      this.#at = 0;
    }
    return true;
  }

  #some(atMost: number): Uint8Array {
    if (!this.#ready()) throw badArchive("unexpected end of the archive");
    const view = this.#chunk.subarray(this.#at, Math.min(this.#chunk.length, this.#at + atMost));
    this.#at += view.length;
    return view;
  }

  #exactly(length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const first = this.#some(length);
    if (first.length === length) return first;
    const whole = new Uint8Array(length);
    whole.set(first);
    for (let filled = first.length; filled < length;) {
      const part = this.#some(length - filled);
      whole.set(part, filled);
      filled += part.length;
    }
    return whole;
  }
}

const types: Record<string, TarEntry["type"]> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "folder",
  "6": "fifo",
};

function typeOf(flag: string, name: string): TarEntry["type"] {
  const type = types[flag];
  if (!type) throw badArchive(`unhandled tar header type ${flag.charCodeAt(0)}`);
  // before POSIX a folder was a file whose name ends with a slash
  return type === "file" && flag !== "S" && name.endsWith("/") ? "folder" : type;
}

const cut = (bytes: Buffer): string => text(bytes, 0, bytes.length);

function pairs(numbers: readonly number[]): SparsePart[] {
  if (numbers.length % 2 !== 0) throw badArchive("invalid sparse map");
  const parts: SparsePart[] = [];
  for (let index = 0; index < numbers.length; index += 2)
    parts.push({ offset: numbers[index] ?? 0, length: numbers[index + 1] ?? 0 });
  return parts;
}

function checkSparse(parts: readonly SparsePart[], realBytes: number, storedBytes: number): void {
  let end = 0;
  let stored = 0;
  for (const { offset, length } of parts) {
    if (offset < end || offset + length > realBytes) throw badArchive("invalid sparse map");
    end = offset + length;
    stored += length;
  }
  if (stored !== storedBytes) throw badArchive("invalid sparse map");
}
