import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { check, cstring, symbols } from "./call.ts";

const libc = symbols({
  memfd_create: { args: ["ptr", "u32"], returns: "int" },
  fcntl: { args: ["int", "int", "int"], returns: "int" },
});

const [closeOnExec, allowSealing] = [1, 2]; // MFD_CLOEXEC, MFD_ALLOW_SEALING
const addSeals = 1033; // F_ADD_SEALS
const allSeals = 0x1 | 0x2 | 0x4 | 0x8; // F_SEAL_SEAL, SHRINK, GROW, WRITE
const chunkBytes = 1024 * 1024;

/**
 * Copies a file into memory that nobody can change any more, memfd_create(2) and F_ADD_SEALS. Gives the descriptor,
 * close-on-exec, the caller's to keep. Throws where the kernel has no sealed memory.
 */
export function sealedFile(path: string): number {
  const name = cstring(path.slice(path.lastIndexOf("/") + 1));
  const fd = check("memfd_create", () => libc.memfd_create(name, closeOnExec | allowSealing));
  const source = openSync(path, "r");
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (let read = readSync(source, chunk); read > 0; read = readSync(source, chunk)) {
      for (let written = 0; written < read;) written += writeSync(fd, chunk, written, read - written);
    }
    check("fcntl", () => libc.fcntl(fd, addSeals, allSeals));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    closeSync(source);
  }
}
