import { errno, symbols } from "./call.ts";

const libc = symbols({
  fallocate: { args: ["int", "int", "i64", "i64"], returns: "int" },
});

/** Makes room on the disk for a file's first bytes, zeros where nothing is; false when there is none or the file system has no such thing. fallocate(2) */
export function reserve(fd: number, bytes: number): boolean {
  for (;;) {
    if (libc.fallocate(fd, 0, 0, bytes) === 0) return true;
    if (errno() !== 4 /* EINTR */) return false;
  }
}
