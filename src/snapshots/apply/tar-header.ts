import { EngineError } from "../../base/errors.ts";

/** What a 512-byte header holds. Text is one character per byte (latin1): names need not be UTF-8. */
export interface RawHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly type: string;
  readonly linkName: string;
  readonly devMajor: number;
  readonly devMinor: number;
}

export const badArchive = (what: string): EngineError => new EngineError("invalid", `archive/tar: ${what}`);

/** Reads a header block; undefined for a block of zeros. Throws on a wrong checksum or number. */
export function parseHeader(block: Uint8Array): RawHeader | undefined {
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < 512; index++) {
    const byte = index >= 148 && index < 156 ? 32 : (block[index] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  if (unsigned === 256 && block[148] === 0) return undefined; // eight blanks stand for the checksum field
  const bytes = Buffer.from(block.buffer, block.byteOffset, 512);
  const checksum = number(bytes, 148, 8);
  if (checksum !== unsigned && checksum !== signed) throw badArchive("invalid tar header");
  const magic = bytes.toString("latin1", 257, 265);
  const posix = magic.startsWith("ustar\0");
  const gnu = magic === "ustar  \0";
  const prefix = posix ? text(bytes, 345, 155) : "";
  const name = text(bytes, 0, 100);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    mode: number(bytes, 100, 8),
    uid: number(bytes, 108, 8),
    gid: number(bytes, 116, 8),
    sizeBytes: number(bytes, 124, 12),
    mtimeSeconds: number(bytes, 136, 12, true),
    type: String.fromCharCode(block[156] ?? 0),
    linkName: text(bytes, 157, 100),
    devMajor: posix || gnu ? number(bytes, 329, 8) : 0,
    devMinor: posix || gnu ? number(bytes, 337, 8) : 0,
  };
}

/** Bytes of a field up to its NUL. */
export function text(bytes: Buffer, start: number, length: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString("latin1", start, end < 0 || end > start + length ? start + length : end);
}

/** Octal digits, or base 256 where the first bit is set (GNU). Negative only where that has a meaning. */
export function number(bytes: Buffer, start: number, length: number, mayBeNegative = false): number {
  const first = bytes[start] ?? 0;
  if (first & 0x80) {
    let value = BigInt.asIntN(7, BigInt(first & 0x7f));
    if (!(first & 0x40)) value = BigInt(first & 0x3f);
    for (let index = start + 1; index < start + length; index++) value = (value << 8n) | BigInt(bytes[index] ?? 0);
    if (
      (value < 0n && !mayBeNegative) ||
      value > BigInt(Number.MAX_SAFE_INTEGER) ||
      value < BigInt(Number.MIN_SAFE_INTEGER)
    )
      throw badArchive("number out of range in a header");
    return Number(value);
  }
  let value = 0;
  let index = start;
  const end = start + length;
  while (index < end && (bytes[index] === 32 || bytes[index] === 0)) index++;
  for (; index < end; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === 0 || byte === 32) break;
    if (byte < 48 || byte > 55) throw badArchive("invalid number in a header");
    value = value * 8 + byte - 48;
  }
  return value;
}

/** Records of a pax extended header, in order; values are bytes. pax(1), "length key=value\n" */
export function parsePax(bytes: Buffer): [key: string, value: Buffer][] {
  const records: [string, Buffer][] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === 0) break; // padding that some writers count in
    const blank = bytes.indexOf(32, at);
    const digits = blank < 0 ? "" : bytes.toString("latin1", at, blank);
    const length = /^[0-9]{1,9}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (length < digits.length + 3 || end > bytes.length || bytes[end - 1] !== 10)
      throw badArchive("invalid pax record");
    const equals = bytes.indexOf(61, blank);
    if (equals < 0 || equals >= end || equals === blank + 1) throw badArchive("invalid pax record");
    records.push([bytes.toString("utf8", blank + 1, equals), Buffer.from(bytes.subarray(equals + 1, end - 1))]);
    at = end;
  }
  return records;
}

/** A whole number that is not negative. */
export function paxNumber(value: Buffer, key: string): number {
  const digits = value.toString("latin1");
  const parsed = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(parsed)) throw badArchive(`invalid ${key} in a pax record`);
  return parsed;
}

/** Seconds with a fraction, as nanoseconds. */
export function paxTime(value: Buffer): bigint {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value.toString("latin1"));
  if (!match) throw badArchive("invalid time in a pax record");
  const ns = BigInt(match[2] ?? "0") * 1_000_000_000n + BigInt((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  return match[1] ? -ns : ns;
}
