/** An IPv4 or IPv6 address as a number. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A network: the address part is kept as it was given, `start` is the first address of the network. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly address: bigint;
  readonly start: bigint;
  readonly end: bigint;
  readonly prefixLength: number;
}

const width = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** Strict: four decimal parts without leading zeros (as Go's net/netip), or RFC 4291 text without a zone. */
export function parseIp(text: string): Ip | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Ip | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return { family: 4, value };
}

function parseIpv6(text: string): Ip | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<number>(halves.length === 2 ? missing : 0).fill(0), ...(tail ?? [])]) {
    value = (value << 16n) | BigInt(group);
  }
  return { family: 6, value };
}

/** The 16-bit groups of one side of `::`; a dotted IPv4 tail (of the last side) counts as two. */
function groupsOf(half: string, last: boolean): number[] | undefined {
  if (half === "") return [];
  const groups: number[] = [];
  const parts = half.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && last && index === parts.length - 1) {
      const tail = parseIpv4(part);
      if (tail === undefined) return undefined;
      groups.push(Number(tail.value >> 16n), Number(tail.value & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** Canonical text: dotted, or RFC 5952. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((ip.value >> shift) & 0xffn)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => Number((ip.value >> BigInt(112 - 16 * index)) & 0xffffn));
  let best = { from: -1, length: 1 };
  for (let from = 0; from < 8; from += 1) {
    let length = 0;
    while (groups[from + length] === 0) length += 1;
    if (length > best.length) best = { from, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.from < 0) return hex.join(":");
  return `${hex.slice(0, best.from).join(":")}::${hex.slice(best.from + best.length).join(":")}`;
}

/** Network byte order: 4 or 16 bytes. */
export function ipBytes(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(width(ip.family) / 8);
  let rest = ip.value;
  for (let index = bytes.length - 1; index >= 0; index -= 1) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** The address of 4 or 16 bytes in network order. */
export function ipOfBytes(bytes: Uint8Array): Ip {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** `address/length`; host bits may be set. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0 || !/^[0-9]{1,3}$/.test(text.slice(slash + 1))) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const prefixLength = Number(text.slice(slash + 1));
  if (ip === undefined || prefixLength > width(ip.family)) return undefined;
  return cidrOf(ip, prefixLength);
}

export function cidrOf(ip: Ip, prefixLength: number): Cidr {
  const hostBits = BigInt(width(ip.family) - prefixLength);
  const start = (ip.value >> hostBits) << hostBits;
  return { family: ip.family, address: ip.value, start, end: start + (1n << hostBits) - 1n, prefixLength };
}

/** The network with its host bits cleared. */
export const formatCidr = (cidr: Cidr): string =>
  `${formatIp({ family: cidr.family, value: cidr.start })}/${cidr.prefixLength}`;

export const contains = (cidr: Cidr, ip: Ip): boolean =>
  cidr.family === ip.family && ip.value >= cidr.start && ip.value <= cidr.end;

export const overlaps = (one: Cidr, other: Cidr): boolean =>
  one.family === other.family && one.start <= other.end && other.start <= one.end;
