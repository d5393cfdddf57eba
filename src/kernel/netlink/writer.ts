import { memory } from "../call.ts";

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP = 0x300;
const NLA_F_NESTED = 0x8000;

/** Builds netlink messages one behind the other, each answered by one acknowledgement. netlink(7) */
export class NetlinkWriter {
  #bytes = memory(4096);
  #at = 0;
  #sequence = 0;
  readonly #names: string[] = [];

  /** One message. `name` is what an error will say; numbers of a message start at 1. */
  message(name: string, type: number, flags: number, body: () => void): this {
    const start = this.#at;
    this.#names.push(name);
    this.#sequence += 1;
    this.u32(0)
      .u16(type)
      .u16(flags | NLM_F_REQUEST)
      .u32(this.#sequence)
      .u32(0);
    body();
    this.#bytes.writeUInt32LE(this.#at - start, start);
    return this;
  }

  /** An attribute: bytes, a 32-bit number, or a NUL-terminated string. */
  attribute(type: number, value: Uint8Array | number | string): this {
    const payload = typeof value === "string" ? Buffer.from(`${value}\0`) : value;
    const length = typeof payload === "number" ? 4 : payload.length;
    this.u16(4 + length).u16(type);
    if (typeof payload === "number") return this.u32(payload);
    return this.raw(payload);
  }

  nest(type: number, body: () => void): this {
    const start = this.#at;
    this.u16(0).u16(type | NLA_F_NESTED);
    body();
    this.#bytes.writeUInt16LE(this.#at - start, start);
    return this;
  }

  /** Bytes, padded to four. */
  raw(bytes: Uint8Array): this {
    const padded = (bytes.length + 3) & ~3;
    this.#room(padded);
    this.#bytes.fill(0, this.#at, this.#at + padded);
    this.#bytes.set(bytes, this.#at);
    this.#at += padded;
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.#at = this.#bytes.writeUInt8(value, this.#at);
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#at = this.#bytes.writeUInt16LE(value, this.#at);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at);
    return this;
  }

  /** The messages so far, in FFI memory. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#at;
  }

  get count(): number {
    return this.#sequence;
  }

  nameOf(sequence: number): string {
    return this.#names[sequence - 1] ?? "netlink";
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = memory(Math.max(this.#bytes.length * 2, this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}
