import { check, memory, symbols } from "./call.ts";

const libc = symbols({
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
});

const size = memory(8);

/** Sets the terminal's size; its foreground processes get SIGWINCH when it changes. ioctl_tty(2) */
export function setTtySize(fd: number, rows: number, columns: number): void {
  size.fill(0);
  size.writeUInt16LE(rows & 0xffff, 0);
  size.writeUInt16LE(columns & 0xffff, 2);
  check("ioctl TIOCSWINSZ", () => libc.ioctl(fd, 0x5414n, size));
}
