import type { Query } from "./query.ts";

/** A record for the name that was asked for. */
export interface AnswerRecord {
  readonly type: number;
  readonly ttlSeconds: number;
  readonly data: Uint8Array;
}

/** What we take by UDP ourselves; DNS Flag Day 2020. */
const ourUdpBytes = 1232;
const optBytes = 11;
/** Room for a TCP answer: its length has two bytes. */
export const tcpBytesAtMost = 65_535;

/** The answer to a query; what does not fit into `limitBytes` makes it a truncated one, which clients ask again by TCP. */
export function writeAnswer(
  query: Query,
  answer: { rcode: number; records: readonly AnswerRecord[]; authoritative: boolean; limitBytes: number },
): Uint8Array {
  const { packet, questionEnd, edns } = query;
  const room = answer.limitBytes - questionEnd - (edns ? optBytes : 0);
  const records: AnswerRecord[] = [];
  let used = 0;
  for (const record of answer.records) {
    if (used + 12 + record.data.length > room) break;
    used += 12 + record.data.length;
    records.push(record);
  }
  const bytes = new Uint8Array(questionEnd + used + (edns ? optBytes : 0));
  bytes.set(packet.subarray(0, questionEnd));
  // QR, and of the query only RD and CD; RA: we ask others
  bytes[2] = 0x80 | ((packet[2] ?? 0) & 0x01) | (answer.authoritative ? 0x04 : 0);
  if (records.length < answer.records.length) bytes[2] |= 0x02;
  bytes[3] = 0x80 | ((packet[3] ?? 0) & 0x10) | (answer.rcode & 15);
  put16(bytes, 6, records.length);
  put16(bytes, 8, 0);
  put16(bytes, 10, edns ? 1 : 0);
  let at = questionEnd;
  for (const { type, ttlSeconds, data } of records) {
    put16(bytes, at, 0xc00c); // the name of the question
    put16(bytes, at + 2, type);
    put16(bytes, at + 4, 1 /* IN */);
    put16(bytes, at + 6, ttlSeconds >>> 16);
    put16(bytes, at + 8, ttlSeconds & 0xffff);
    put16(bytes, at + 10, data.length);
    bytes.set(data, at + 12);
    at += 12 + data.length;
  }
  if (edns) {
    put16(bytes, at + 1, 41);
    put16(bytes, at + 3, ourUdpBytes);
  }
  return bytes;
}

/** An answer to what could not be read: its header only. */
export function writeFailure(packet: Uint8Array, rcode: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes.set(packet.subarray(0, 4));
  bytes[2] = 0x80 | ((packet[2] ?? 0) & 0x79); // QR, the opcode, RD
  bytes[3] = 0x80 | (rcode & 15);
  return bytes;
}

/** A name as labels; undefined when it is none of DNS. */
export function encodeName(name: string): Uint8Array | undefined {
  const labels = name.replace(/\.$/, "").split(".");
  const bytes: number[] = [];
  for (const label of labels) {
    const encoded = Buffer.from(label);
    if (encoded.length === 0 || encoded.length > 63) return undefined;
    bytes.push(encoded.length, ...encoded);
  }
  return bytes.length > 254 ? undefined : Uint8Array.from([...bytes, 0]);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}
