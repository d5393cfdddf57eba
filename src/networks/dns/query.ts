/** Numbers of RFC 1035, 3596, 6891. */
export const recordTypes = { a: 1, ptr: 12, aaaa: 28, opt: 41, any: 255 } as const;
export const rcodes = { ok: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const;

/** A question as a container sent it. */
export interface Query {
  readonly packet: Uint8Array;
  readonly id: number;
  /** In lower case, without the dot at the end. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where the question section ends: the bytes from 12 to here come back in the answer as they were. */
  readonly questionEnd: number;
  /** What the client takes by UDP; 512 without EDNS. */
  readonly udpBytes: number;
  readonly edns: boolean;
}

/** What is no query that could be answered: `rcode` is for the sender, undefined = not even that (not for us). */
export interface Unanswerable {
  readonly rcode: number | undefined;
}

const headerBytes = 12;
/** More records behind the question than any client sends. */
const additionalAtMost = 8;

/**
 * Reads a query. Written for hostile input: names in the question may not be compressed, every length is checked
 * before it is used, and nothing is walked twice.
 */
export function readQuery(packet: Uint8Array): Query | Unanswerable {
  if (packet.length < headerBytes) return { rcode: undefined };
  const flags = word(packet, 2);
  if ((flags & 0x8000) !== 0) return { rcode: undefined }; // an answer: two servers shall not talk for ever
  if (((flags >> 11) & 15) !== 0) return { rcode: rcodes.notImplemented };
  if (word(packet, 4) !== 1 || word(packet, 6) !== 0 || word(packet, 8) !== 0) return { rcode: rcodes.formatError };
  const name = readName(packet, headerBytes);
  if (name === undefined || name.end + 4 > packet.length) return { rcode: rcodes.formatError };
  const questionEnd = name.end + 4;
  const udpBytes = readEdns(packet, questionEnd, word(packet, 10));
  if (udpBytes === undefined) return { rcode: rcodes.formatError };
  return {
    packet,
    id: word(packet, 0),
    name: name.text,
    type: word(packet, name.end),
    class: word(packet, name.end + 2),
    questionEnd,
    udpBytes: Math.max(512, udpBytes),
    edns: udpBytes > 0,
  };
}

const word = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** Labels without compression. Bytes that are no plain characters (and dots in labels) make a name nobody has. */
function readName(packet: Uint8Array, start: number): { text: string; end: number } | undefined {
  let text = "";
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63 || at - start > 254) return undefined;
    at += 1;
    if (length === 0) return { text, end: at };
    if (at + length > packet.length) return undefined;
    if (text !== "") text += ".";
    for (const end = at + length; at < end; at += 1) {
      const code = packet[at] ?? 0;
      if (code >= 65 && code <= 90) text += String.fromCharCode(code + 32);
      else if (code > 32 && code < 127 && code !== 46 && code !== 92) text += String.fromCharCode(code);
      else text += `\\${code.toString().padStart(3, "0")}`;
    }
  }
}

/** The size in an OPT record; 0 = no such record; undefined = broken. */
function readEdns(packet: Uint8Array, start: number, records: number): number | undefined {
  if (records > additionalAtMost) return undefined;
  let at = start;
  let size = 0;
  for (let index = 0; index < records; index += 1) {
    const end = skipName(packet, at);
    if (end === undefined || end + 10 > packet.length) return undefined;
    if (word(packet, end) === recordTypes.opt) size = Math.max(512, word(packet, end + 2));
    at = end + 10 + word(packet, end + 8);
    if (at > packet.length) return undefined;
  }
  return size;
}

/** Where a name ends that may be compressed; the pointer is not followed. */
function skipName(packet: Uint8Array, start: number): number | undefined {
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined || at - start > 254) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
}
