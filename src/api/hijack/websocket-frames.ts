import type { SocketInput } from "../http/socket-input.ts";

/** Terminals send small messages; larger ones are cut off. */
const maxMessageBytes = 1024 * 1024;

export interface Frame {
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** A whole message, unmasked, as servers send them. RFC 6455 section 5.2. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const length = payload.length;
  const header = length < 126 ? Buffer.from([0x80 | opcode, length]) : Buffer.alloc(length < 65_536 ? 4 : 10);
  if (length >= 126) {
    header[0] = 0x80 | opcode;
    header[1] = length < 65_536 ? 126 : 127;
    if (length < 65_536) header.writeUInt16BE(length, 2);
    else header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}

/** What a client sends, until it ends or breaks the protocol. */
export async function* decodeFrames(input: SocketInput): AsyncGenerator<Frame> {
  let held = Buffer.alloc(0);
  const need = async (bytes: number): Promise<boolean> => {
    while (held.length < bytes) {
      const more = await input.take();
      if (more === null) return false;
      held = Buffer.concat([held, more]);
    }
    return true;
  };
  for (;;) {
    if (!(await need(2))) return;
    const opcode = (held[0] ?? 0) & 15;
    const short = (held[1] ?? 0) & 127;
    if (((held[1] ?? 0) & 128) === 0) return; // clients must mask
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (!(await need(2 + extended + 4))) return;
    const length = short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
    if (length > maxMessageBytes) return;
    const start = 2 + extended + 4;
    if (!(await need(start + length))) return;
    const mask = held.subarray(start - 4, start);
    const payload = Buffer.from(held.subarray(start, start + length));
    for (let index = 0; index < payload.length; index++)
      payload[index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
    held = held.subarray(start + length);
    yield { opcode, payload };
  }
}
