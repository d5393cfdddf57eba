import { check, memory, symbols, SyscallError } from "../call.ts";
import type { NetlinkWriter } from "./writer.ts";

const c = symbols({
  socket: { args: ["int", "int", "int"], returns: "int" },
  send: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  recv: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
  close: { args: ["int"], returns: "int" },
});

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** One message of an answer; `payload` starts behind the header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly payload: Buffer;
}

/**
 * A netlink socket. It belongs to the network namespace in which it was opened, whatever namespace the thread
 * is in later. The kernel answers inside send(2), so nothing here ever waits.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = memory(64 * 1024); // kernel dumps use at most 32 KiB a message

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(protocol: "route" | "netfilter"): NetlinkSocket {
    const fd = check("socket(AF_NETLINK)", () => c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol === "route" ? 0 : 12));
    const on = memory(4);
    on.writeInt32LE(1, 0);
    c.setsockopt(fd, 270 /* SOL_NETLINK */, 10 /* NETLINK_CAP_ACK: no echo of the request */, on, 4);
    const size = memory(4);
    size.writeInt32LE(4 << 20, 0); // acknowledgements of a batch of thousands of elements
    c.setsockopt(fd, 1, 33 /* SO_RCVBUFFORCE */, size, 4);
    c.setsockopt(fd, 1, 32 /* SO_SNDBUFFORCE */, size, 4);
    return new NetlinkSocket(fd);
  }

  /**
   * Sends all messages and reads their acknowledgements; throws the first error, named after its message. `expected`
   * is the number of answers where not every message asks for one.
   */
  request(writer: NetlinkWriter, expected = writer.count): void {
    if (writer.count === 0) return;
    this.#send(writer);
    let answers = 0;
    let failure: SyscallError | undefined;
    while (answers < expected) {
      for (const { type, payload, sequence } of this.#receive(writer)) {
        if (type !== NLMSG_ERROR) continue;
        answers += 1;
        const code = -payload.readInt32LE(0);
        if (code !== 0) failure ??= new SyscallError(writer.nameOf(sequence), code);
      }
      if (failure !== undefined && expected !== writer.count) break;
    }
    if (failure === undefined) return;
    this.#drain();
    throw failure;
  }

  /** Sends one dump (or get) request and gives the messages of the answer; of a large one only those to `keep`. */
  query(writer: NetlinkWriter, keep: (payload: Buffer) => boolean = () => true): NetlinkMessage[] {
    this.#send(writer);
    const messages: NetlinkMessage[] = [];
    for (;;) {
      for (const { type, payload, sequence } of this.#receive(writer)) {
        if (type === NLMSG_DONE) return messages;
        if (type === NLMSG_ERROR) {
          const code = -payload.readInt32LE(0);
          if (code === 0) return messages;
          throw new SyscallError(writer.nameOf(sequence), code);
        }
        if (keep(payload)) messages.push({ type, payload: Buffer.from(payload) });
      }
    }
  }

  [Symbol.dispose](): void {
    c.close(this.#fd);
  }

  #send(writer: NetlinkWriter): void {
    check("send(netlink)", () => c.send(this.#fd, writer.bytes, writer.length, 0));
  }

  *#receive(writer: NetlinkWriter): Generator<NetlinkMessage & { sequence: number }> {
    const length = check(`${writer.nameOf(1)}: recv`, () =>
      c.recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT | MSG_TRUNC),
    );
    if (length > this.#buffer.length) throw new SyscallError("recv(netlink)", 90 /* EMSGSIZE */);
    let at = 0;
    while (at + 16 <= length) {
      const size = this.#buffer.readUInt32LE(at);
      if (size < 16 || at + size > length) return;
      yield {
        type: this.#buffer.readUInt16LE(at + 4),
        sequence: this.#buffer.readUInt32LE(at + 8),
        payload: this.#buffer.subarray(at + 16, at + size),
      };
      at += (size + 3) & ~3;
    }
  }

  #drain(): void {
    while (Number(c.recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT)) > 0);
  }
}

/** The attributes behind a fixed header of `offset` bytes, by type (the last one wins). */
export function attributes(payload: Buffer, offset: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at = offset;
  while (at + 4 <= payload.length) {
    const size = payload.readUInt16LE(at);
    if (size < 4 || at + size > payload.length) break;
    found.set(payload.readUInt16LE(at + 2) & 0x3fff, payload.subarray(at + 4, at + size));
    at += (size + 3) & ~3;
  }
  return found;
}
