import { address, check, cstring, memory, symbols } from "./call.ts";

const libc = symbols({
  socket: { args: ["int", "int", "int"], returns: "int" },
  sendto: { args: ["int", "ptr", "u64", "int", "u64", "u32"], returns: "i64" },
  close: { args: ["int"], returns: "int" },
});

/** Tells the service manager how the service is: `READY=1`. sd_notify(3); `socketPath` is NOTIFY_SOCKET. */
export function notifyServiceManager(socketPath: string, state: string): void {
  const path = Buffer.from(socketPath);
  if (path[0] === 0x40 /* @ */) path[0] = 0; // an abstract address
  const name = memory(110); // struct sockaddr_un
  name.writeUInt16LE(1 /* AF_UNIX */);
  path.copy(name, 2, 0, 107);
  const text = cstring(state);
  const fd = check("socket", () => libc.socket(1, 2 | 0o2000000 /* SOCK_DGRAM | SOCK_CLOEXEC */, 0));
  try {
    check(
      "sendto",
      () => libc.sendto(fd, text, BigInt(text.length - 1), 0, address(name), 2 + path.length),
      socketPath,
    );
  } finally {
    libc.close(fd);
  }
}
