import { address, check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  socket: { args: ["int", "int", "int"], returns: "int" },
  bind: { args: ["int", "ptr", "u32"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
  connect: { args: ["int", "ptr", "u32"], returns: "int" },
  accept4: { args: ["int", "ptr", "ptr", "int"], returns: "int" },
  sendmsg: { args: ["int", "ptr", "int"], returns: "i64" },
  recvmsg: { args: ["int", "ptr", "int"], returns: "i64" },
  setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
  close: { args: ["int"], returns: "int" },
});

const stream = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

/** A listening unix stream socket that never blocks; what is sent to it waits in its backlog until received. */
export function listenUnix(path: string): number {
  const fd = check("socket", () => libc.socket(1, stream | nonBlocking | closeOnExec, 0));
  try {
    const name = socketName(path);
    check("bind", () => libc.bind(fd, name, name.length), path);
    check("listen", () => libc.listen(fd, 4096), path);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Connects, sends one message with descriptors, and closes: the message waits at the listener. */
export function sendDescriptors(path: string, text: string, fds: readonly number[]): void {
  const fd = check("socket", () => libc.socket(1, stream | closeOnExec, 0));
  try {
    const name = socketName(path);
    check("connect", () => libc.connect(fd, name, name.length), path);
    const message = new Message(Buffer.byteLength(text), fds.length);
    message.data.write(text);
    message.putDescriptors(fds);
    check("sendmsg", () => libc.sendmsg(fd, message.header, 0x4000 /* MSG_NOSIGNAL */), path);
  } finally {
    libc.close(fd);
  }
}

/** How long a sender may take between its connect and its message, which are two calls in a row of it. */
const sendingMs = 250;

/** The next message that waits at the listener; undefined when there is none. The caller owns the descriptors. */
export function receiveDescriptors(listener: number): { text: string; fds: number[] } | undefined {
  for (;;) {
    const fd = libc.accept4(listener, null, null, closeOnExec);
    if (fd < 0) {
      const code = errno();
      if (code === 11 /* EAGAIN */ || code === 103 /* ECONNABORTED */) return undefined;
      throw new SyscallError("accept4", code);
    }
    try {
      const timeout = memory(16); // struct timeval
      timeout.writeBigInt64LE(BigInt(sendingMs * 1000), 8);
      check("setsockopt", () => libc.setsockopt(fd, 1, 20 /* SO_RCVTIMEO */, timeout, timeout.length));
      const message = new Message(4096, 8);
      const bytes = Number(libc.recvmsg(fd, message.header, 0x40000000 /* MSG_CMSG_CLOEXEC */));
      if (bytes > 0) return { text: message.data.toString("utf8", 0, bytes), fds: message.descriptors() };
      const code = bytes < 0 ? errno() : 0;
      // it was stopped or killed between its two calls: the next one's turn
      if (code !== 0 && code !== 11 /* EAGAIN */ && code !== 4 /* EINTR */) throw new SyscallError("recvmsg", code);
    } finally {
      libc.close(fd);
    }
  }
}

/** msghdr with one iovec and room for one SCM_RIGHTS message. Layout of x86_64 and arm64: recvmsg(2), cmsg(3). */
class Message {
  readonly header = memory(56);
  readonly data: Buffer;
  readonly #vector = memory(16);
  readonly #control: Buffer;

  constructor(bytes: number, descriptors: number) {
    this.data = memory(Math.max(bytes, 1));
    this.#control = memory(16 + ((4 * descriptors + 7) & ~7));
    this.#vector.writeBigUInt64LE(address(this.data), 0);
    this.#vector.writeBigUInt64LE(BigInt(bytes), 8);
    this.header.writeBigUInt64LE(address(this.#vector), 16);
    this.header.writeBigUInt64LE(1n, 24);
    this.header.writeBigUInt64LE(address(this.#control), 32);
    this.header.writeBigUInt64LE(BigInt(this.#control.length), 40);
  }

  putDescriptors(fds: readonly number[]): void {
    if (fds.length === 0) return this.#setControlLength(0);
    this.#control.writeBigUInt64LE(BigInt(16 + 4 * fds.length), 0);
    this.#control.writeInt32LE(1 /* SOL_SOCKET */, 8);
    this.#control.writeInt32LE(1 /* SCM_RIGHTS */, 12);
    for (const [index, fd] of fds.entries()) this.#control.writeInt32LE(fd, 16 + 4 * index);
    this.#setControlLength(this.#control.length);
  }

  descriptors(): number[] {
    if (this.header.readBigUInt64LE(40) < 16n || this.#control.readInt32LE(12) !== 1) return [];
    const length = Number(this.#control.readBigUInt64LE(0));
    const fds: number[] = [];
    for (let at = 16; at + 4 <= length; at += 4) fds.push(this.#control.readInt32LE(at));
    return fds;
  }

  #setControlLength(bytes: number): void {
    this.header.writeBigUInt64LE(BigInt(bytes), 40);
  }
}

function socketName(path: string): Buffer {
  const bytes = Buffer.byteLength(path);
  if (bytes > 107) throw new SyscallError("bind", 36 /* ENAMETOOLONG: sun_path holds 108 bytes */, path);
  const name = memory(2 + bytes + 1);
  name.writeUInt16LE(1 /* AF_UNIX */, 0);
  name.write(path, 2);
  return name;
}
