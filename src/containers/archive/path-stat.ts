import { closeSync, fstatSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { rfc3339 } from "../../base/clock.ts";
import { EngineError } from "../../base/errors.ts";
import { SyscallError } from "../../kernel/call.ts";
import { openFlags, openInRoot } from "../../kernel/openat2.ts";
import type { PathStat } from "../containers.ts";
import type { ContainerRoot } from "./held-trees.ts";

/** What is at a path, the last link not followed (moby parity). */
export function statPath(root: ContainerRoot, path: string, ref: string): PathStat {
  const clean = posix.resolve("/", path);
  const fd = openPath(root, clean, ref, { follow: path.endsWith("/") || path.endsWith("/.") });
  try {
    const stats = fstatSync(fd, { bigint: true });
    return {
      name: posix.basename(clean) || "/",
      size: Number(stats.size),
      mode: goFileMode(Number(stats.mode)),
      // 0n is Go's zero time for rfc3339(), here it is a time as any other
      mtime: stats.mtimeNs === 0n ? "1970-01-01T00:00:00Z" : rfc3339(stats.mtimeNs),
      linkTarget: (Number(stats.mode) & 0o170000) === 0o120000 ? linkTarget(root, clean) : "",
    };
  } finally {
    closeSync(fd);
  }
}

/** Opens a path inside the root without reading it. Throws Docker's 404 text. */
export function openPath(root: ContainerRoot, path: string, ref: string, options: { follow: boolean }): number {
  try {
    return openInRoot(root.fd, path, { flags: openFlags.path | (options.follow ? 0 : openFlags.noFollow) });
  } catch (error) {
    if (error instanceof SyscallError && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      throw new EngineError("not-found", `Could not find the file ${path} in container ${ref}`, { path, ref });
    }
    throw error;
  }
}

/** Where a link leads, as an absolute path in the container. Only told, never followed by us. */
function linkTarget(root: ContainerRoot, path: string): string {
  const parent = openInRoot(root.fd, posix.dirname(path));
  try {
    return posix.resolve(posix.dirname(path), readlinkSync(`/proc/self/fd/${parent}/${posix.basename(path)}`));
  } finally {
    closeSync(parent);
  }
}

/** Go's os.FileMode of a st_mode: the type bits live elsewhere there. */
export function goFileMode(mode: Stats["mode"]): number {
  const types: Record<number, number> = {
    0o040000: 2 ** 31, // ModeDir
    0o120000: 2 ** 27, // ModeSymlink
    0o060000: 2 ** 26, // ModeDevice
    0o020000: 2 ** 26 + 2 ** 21, // ModeDevice | ModeCharDevice
    0o010000: 2 ** 25, // ModeNamedPipe
    0o140000: 2 ** 24, // ModeSocket
  };
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (types[mode & 0o170000] ?? 0) + special + (mode & 0o777);
}
