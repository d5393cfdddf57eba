import { check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  getsockopt: { args: ["int", "int", "int", "ptr", "ptr"], returns: "int" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
});

/** The process at the other end of a unix socket as it was when it connected. unix(7), SO_PEERCRED. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const credentials = memory(12);
  const length = memory(4);
  length.writeUInt32LE(12);
  check("getsockopt", () => libc.getsockopt(fd, 1 /* SOL_SOCKET */, 17 /* SO_PEERCRED */, credentials, length));
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
}

/**
 * Whether the other end of a socket is closed for reading too, not only for writing. poll(2), POLLHUP: on a unix
 * socket it tells a closed peer from a half-closed one; on TCP only a reset shows.
 */
export function peerGone(fd: number): boolean {
  const pollfd = memory(8);
  pollfd.writeInt32LE(fd, 0);
  const ready = libc.poll(pollfd, 1n, 0);
  if (ready < 0) {
    const code = errno();
    if (code === 4 /* EINTR */) return false;
    throw new SyscallError("poll", code);
  }
  return (pollfd.readInt16LE(6) & (0x10 /* POLLHUP */ | 0x8 /* POLLERR */ | 0x20)) /* POLLNVAL */ !== 0;
}

/**
 * Lets more connections wait to be accepted: Bun listens with 512, and a full queue of a unix socket refuses clients
 * at once. Calling listen(2) again changes the length; the kernel caps it at net.core.somaxconn.
 */
export function raiseBacklog(fd: number): void {
  check("listen", () => libc.listen(fd, 4096));
}
