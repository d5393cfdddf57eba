/** Which output a frame belongs to. 3 is an error of the daemon itself. */
export type FrameKind = 1 | 2 | 3;

export interface Piece {
  readonly kind: FrameKind;
  readonly bytes: Uint8Array;
}

const headerLength = 8; // kind, three zeros, length as 32 bits big endian

/**
 * Takes the frames of attach, exec and logs apart. Frames may be cut anywhere; neighbours of one kind come out as one
 * piece, so that 200,000 short lines do not become 200,000 writes. The pieces may share memory with the input.
 */
export class Demultiplexer {
  readonly #header = new Uint8Array(headerLength);
  #headerFilled = 0;
  #kind: FrameKind = 1;
  #left = 0;

  push(chunk: Uint8Array): Piece[] {
    const pieces: Piece[] = [];
    // payloads move to the front of the run's first payload; [runStart, runEnd) is what has gathered
    let runStart = 0;
    let runEnd = 0;
    let runKind: FrameKind = this.#kind;
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      if (this.#kind !== runKind || runEnd === runStart) {
        if (runEnd > runStart) pieces.push({ kind: runKind, bytes: chunk.subarray(runStart, runEnd) });
        runKind = this.#kind;
        runStart = runEnd = at;
      }
      const length = Math.min(this.#left, chunk.length - at);
      if (runEnd !== at) chunk.copyWithin(runEnd, at, at + length);
      runEnd += length;
      at += length;
      this.#left -= length;
    }
    if (runEnd > runStart) pieces.push({ kind: runKind, bytes: chunk.subarray(runStart, runEnd) });
    return pieces;
  }

  #readHeader(chunk: Uint8Array, at: number): number {
    const taken = Math.min(headerLength - this.#headerFilled, chunk.length - at);
    for (let i = 0; i < taken; i++) this.#header[this.#headerFilled + i] = chunk[at + i] ?? 0;
    this.#headerFilled += taken;
    if (this.#headerFilled < headerLength) return at + taken;
    const [kind = 0, , , , a = 0, b = 0, c = 0, d = 0] = this.#header;
    if (kind > 3) throw new Error(`Unrecognized input header: ${kind}`);
    // 0 is stdin, which old daemons use for output as well
    this.#kind = kind === 2 || kind === 3 ? kind : 1;
    this.#left = a * 0x1000000 + (b << 16) + (c << 8) + d;
    this.#headerFilled = 0;
    return at + taken;
  }
}
