/** A member to write. Text is one character per byte. */
export interface TarMember {
  /** Below the archive's root; folders end with a slash. */
  readonly name: string;
  readonly type: "file" | "link" | "symlink" | "character" | "block" | "folder" | "fifo";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes?: number;
  readonly mtimeSeconds: number;
  readonly linkName?: string;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: readonly (readonly [name: string, value: Buffer])[];
}

const flags: Record<TarMember["type"], string> = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  folder: "5",
  fifo: "6",
};

/** The member's header: ustar, with a pax header before it where a field needs more room. */
export function tarHeader(member: TarMember): Buffer {
  const pax: [string, Buffer][] = [];
  const text = (key: string, value: string, room: number): string => {
    const plain = value.length <= room && /^[\x20-\x7e]*$/.test(value);
    if (!plain) pax.push([key, Buffer.from(value, "latin1")]);
    return value.slice(0, room);
  };
  const digits = (key: string, value: number, most: number): number => {
    if (value <= most && value >= 0) return value;
    pax.push([key, Buffer.from(String(value))]);
    return 0;
  };
  const header = Buffer.alloc(512);
  header.write(text("path", member.name, 100), 0, "latin1");
  octal(header, member.mode & 0o7777, 100, 8);
  octal(header, digits("uid", member.uid, 0o7777777), 108, 8);
  octal(header, digits("gid", member.gid, 0o7777777), 116, 8);
  octal(header, digits("size", member.sizeBytes ?? 0, 0o77777777777), 124, 12);
  octal(header, digits("mtime", member.mtimeSeconds, 0o77777777777), 136, 12);
  header.write(flags[member.type], 156);
  header.write(text("linkpath", member.linkName ?? "", 100), 157, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  octal(header, member.devMajor ?? 0, 329, 8);
  octal(header, member.devMinor ?? 0, 337, 8);
  for (const [name, value] of member.xattrs ?? []) pax.push([`SCHILY.xattr.${name}`, value]);
  checksum(header);
  return pax.length === 0 ? header : Buffer.concat([paxHeader(member, pax), header]);
}

/** Zeros up to the next block. */
export const tarPadding = (sizeBytes: number): Buffer => Buffer.alloc((512 - (sizeBytes % 512)) % 512);
export const tarEnd = Buffer.alloc(1024);

function paxHeader(member: TarMember, records: readonly (readonly [string, Buffer])[]): Buffer {
  const body = Buffer.concat(
    records.map(([key, value]) => {
      const tail = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
      let length = tail.length + 1;
      while (String(length).length + tail.length !== length) length = String(length).length + tail.length;
      return Buffer.concat([Buffer.from(String(length)), tail]);
    }),
  );
  const name = `PaxHeaders.0/${member.name.replace(/\/$/, "").split("/").at(-1) ?? ""}`
    .replaceAll(/[^\x20-\x7e]/g, "_")
    .slice(0, 100);
  const header = Buffer.alloc(512);
  header.write(name, 0, "latin1");
  octal(header, 0o644, 100, 8);
  octal(header, 0, 108, 8);
  octal(header, 0, 116, 8);
  octal(header, body.length, 124, 12);
  octal(header, 0, 136, 12);
  header.write("x", 156);
  header.write("ustar\u000000", 257, "latin1");
  checksum(header);
  return Buffer.concat([header, body, tarPadding(body.length)]);
}

const octal = (header: Buffer, value: number, start: number, length: number): void =>
  void header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, start, "latin1");

function checksum(header: Buffer): void {
  header.fill(32, 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
