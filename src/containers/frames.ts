import type { LogStream } from "../logs/driver.ts";

/** Docker's stream frame: stream number, three zeros, length (32 bit big endian), payload. */
export function frame(stream: LogStream, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(8 + payload.byteLength);
  bytes.writeUInt32BE(stream === "stdout" ? 0x01000000 : 0x02000000, 0);
  bytes.writeUInt32BE(payload.byteLength, 4);
  bytes.set(payload, 8);
  return bytes;
}
