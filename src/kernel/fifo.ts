import { constants, openSync } from "node:fs";
import { check, cstring, memory, symbols } from "./call.ts";

const libc = symbols({
  mkfifo: { args: ["ptr", "u32"], returns: "int" },
  chmod: { args: ["ptr", "u32"], returns: "int" },
  pipe2: { args: ["ptr", "int"], returns: "int" },
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
  fcntl: { args: ["int", "int", "i64"], returns: "int" },
});

/** Makes a FIFO with exactly that mode. Throws EEXIST. */
export function makeFifo(path: string, mode: number): void {
  const name = cstring(path);
  check("mkfifo", () => libc.mkfifo(name, mode), path);
  check("chmod", () => libc.chmod(name, mode), path);
}

/**
 * `hold` = both directions, never blocks and never sees an end; `read` and `write` are ours, without blocking;
 * `child-read` is a child's stdin (blocking reads; open a `hold` first).
 */
export function openFifo(path: string, way: "hold" | "read" | "write" | "child-read"): number {
  const { O_RDWR, O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
  const flags = { hold: O_RDWR, read: O_RDONLY | O_NONBLOCK, write: O_WRONLY | O_NONBLOCK, "child-read": O_RDONLY };
  return openSync(path, flags[way]);
}

const ends = memory(8);

/** A pipe without a name, close-on-exec. */
export function makePipe(): { read: number; write: number } {
  check("pipe2", () => libc.pipe2(ends, 0o2000000 /* O_CLOEXEC */));
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

const count = memory(4);

/** Bytes that wait in a pipe or pty. */
export function bytesWaiting(fd: number): number {
  check("ioctl FIONREAD", () => libc.ioctl(fd, 0x541bn, count));
  return count.readInt32LE(0);
}

/** Asks for a bigger pipe; less is no error (the user's pipe budget may be used up). */
export function growPipe(fd: number, bytes: number): void {
  libc.fcntl(fd, 1031 /* F_SETPIPE_SZ */, bytes);
}
