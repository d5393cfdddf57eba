import { closeSync, openSync, readSync, statSync } from "node:fs";
import { sealedFile } from "../kernel/memfd.ts";

interface Copy {
  readonly file: string;
  readonly fd: number;
}

const copies = new Map<string, Copy>();

/**
 * The path by which crun or runc is run: a sealed copy of the program in memory, made once. Both make such a copy of
 * themselves at every start, so that a container cannot overwrite the host's runtime (CVE-2019-5736), and skip it
 * when they find themselves in one: 1.2 ms less for each create and exec with crun. Where no copy can be had the
 * program itself is run. A replaced program is noticed.
 */
export function sealedProgram(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    const file = `${dev}:${ino}:${size}:${mtimeMs}`;
    const known = copies.get(path);
    if (known?.file === file) return descriptorPath(known.fd);
    if (!isElf(path)) return path; // a script is run by its path
    const fd = sealedFile(path);
    copies.set(path, { file, fd });
    if (known) closeSync(known.fd);
    return descriptorPath(fd);
  } catch {
    return path; // what is wrong with the program is told by running it
  }
}

/** By our own pid: in the child the number may be another file's by then. */
const descriptorPath = (fd: number): string => `/proc/${process.pid}/fd/${fd}`;

function isElf(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const magic = Buffer.alloc(4);
    return readSync(fd, magic) === 4 && magic.equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]));
  } finally {
    closeSync(fd);
  }
}
