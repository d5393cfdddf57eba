/** moby parity: longer lines become several records, all but the last without a newline. */
export const maxRecordBytes = 16 * 1024;

/** Whole lines (each with its newline), or one piece of a line that is longer than a record may be. */
export interface Piece {
  readonly bytes: Buffer;
  readonly partial: boolean;
}

const newline = 0x0a;

/** Cuts one stream's chunks into lines. Keeps the unfinished line, at most one record's size. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The pieces that this chunk completes. They may share the chunk's memory. */
  push(chunk: Uint8Array): Piece[] {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#rest.length === 0 ? view : Buffer.concat([this.#rest, view]);
    const pieces: Piece[] = [];
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) splitWhole(bytes, end, pieces);
    let at = end;
    while (bytes.length - at >= maxRecordBytes) at = pushPartial(bytes, at, pieces);
    // a copy: the caller may reuse the chunk, and a short rest must not keep 64 KiB alive
    this.#rest = Buffer.from(bytes.subarray(at));
    return pieces;
  }

  /** The unfinished line at the end of output. */
  flush(): Piece[] {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest.length === 0 ? [] : [{ bytes: rest, partial: true }];
  }
}

/** Lines of bytes[0, end), which ends with a newline. One piece as long as no line is too long. */
function splitWhole(bytes: Buffer, end: number, pieces: Piece[]): void {
  let from = 0;
  let at = 0;
  while (end - at > maxRecordBytes) {
    const last = bytes.lastIndexOf(newline, at + maxRecordBytes);
    if (last >= at) {
      at = last + 1;
      continue;
    }
    if (at > from) pieces.push({ bytes: bytes.subarray(from, at), partial: false });
    from = at = pushPartial(bytes, at, pieces);
  }
  if (end > from) pieces.push({ bytes: bytes.subarray(from, end), partial: false });
}

function pushPartial(bytes: Buffer, at: number, pieces: Piece[]): number {
  const end = at + characterBoundary(bytes, at, at + maxRecordBytes);
  pieces.push({ bytes: bytes.subarray(at, end), partial: true });
  return end;
}

/** Length up to `end` without cutting a UTF-8 character, which would be lost in JSON. */
function characterBoundary(bytes: Buffer, start: number, end: number): number {
  let cut = end;
  while (cut > end - 4 && ((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
  // four continuation bytes in a row are no UTF-8: cut where we are
  return (cut === end - 4 ? end : cut) - start;
}
