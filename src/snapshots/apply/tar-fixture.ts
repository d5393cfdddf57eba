// Archives for tests, right and wrong.
import { tarEnd, tarHeader, type TarMember, tarPadding } from "../tree/tar-writer.ts";

export type Member = Partial<TarMember> & { readonly name: string; readonly content?: string | Buffer };

/** One member; a file unless told otherwise. */
export function member(given: Member): Buffer {
  const { content, ...rest } = given;
  const bytes = Buffer.from(content ?? "");
  const header = tarHeader({
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 1_000_000_000,
    sizeBytes: bytes.length,
    ...rest,
  });
  return Buffer.concat([header, bytes, tarPadding(bytes.length)]);
}

export const tarOf = (...members: readonly (Member | Buffer)[]): Buffer =>
  Buffer.concat([...members.map((given) => (Buffer.isBuffer(given) ? given : member(given))), tarEnd]);

/** A header whose bytes are changed afterwards, with its checksum made right again. */
export function patched(
  header: Buffer,
  changes: readonly (readonly [offset: number, bytes: string | Buffer])[],
): Buffer {
  const copy = Buffer.from(header);
  for (const [offset, bytes] of changes) Buffer.from(bytes as string, "latin1").copy(copy, offset);
  copy.fill(32, 148, 156);
  let sum = 0;
  for (const byte of copy.subarray(0, 512)) sum += byte;
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return copy;
}

/** A member with a pax header of these records before it. */
export function withPax(records: readonly (readonly [key: string, value: string | Buffer])[], rest: Buffer): Buffer {
  const body = Buffer.concat(
    records.map(([key, value]) => {
      const tail = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from("\n")]);
      let length = tail.length + 1;
      while (String(length).length + tail.length !== length) length = String(length).length + tail.length;
      return Buffer.concat([Buffer.from(String(length)), tail]);
    }),
  );
  return Buffer.concat([
    patched(
      tarHeader({
        name: "PaxHeaders.0/x",
        type: "file",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtimeSeconds: 0,
        sizeBytes: body.length,
      }),
      [[156, "x"]],
    ),
    body,
    tarPadding(body.length),
    rest,
  ]);
}
