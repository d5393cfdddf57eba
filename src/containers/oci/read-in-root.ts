import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openInRoot } from "../../kernel/openat2.ts";

/**
 * The text of a regular file inside a root folder, empty when there is none (or a link that leads nowhere). Anything
 * but a regular file counts as missing: opening a FIFO would wait, a device would act.
 */
export function readInRoot(rootFd: number, path: string, maximumBytes: number): string {
  const place = openPlace(rootFd, path);
  if (place === undefined) return "";
  try {
    const { size } = fstatSync(place);
    if (!fstatSync(place).isFile()) return "";
    if (size > maximumBytes)
      throw new EngineError("invalid", `${path} of the container is larger than ${maximumBytes} bytes`, { path });
    return readAll(place, size);
  } finally {
    closeSync(place);
  }
}

function openPlace(rootFd: number, path: string): number | undefined {
  try {
    return openInRoot(rootFd, path);
  } catch (error) {
    if (error instanceof SyscallError && ["ENOENT", "ENOTDIR", "ELOOP"].includes(error.code)) return undefined;
    throw error;
  }
}

/** An O_PATH descriptor cannot be read; its /proc link opens the very same file again. */
function readAll(place: number, size: number): string {
  const fd = openSync(`/proc/self/fd/${place}`, "r");
  try {
    const bytes = Buffer.alloc(size);
    let filled = 0;
    while (filled < size) {
      const count = readSync(fd, bytes, filled, size - filled, filled);
      if (count === 0) break; // it shrank meanwhile
      filled += count;
    }
    return bytes.toString("utf8", 0, filled);
  } finally {
    closeSync(fd);
  }
}
