import { check, cstring, memory, symbols } from "./call.ts";

const libc = symbols({
  // openat2 has no wrapper in glibc 2.36: syscall(2) with its number on every architecture, 437
  syscall: { args: ["i64", "i64", "ptr", "ptr", "u64"], returns: "i64" },
  open: { args: ["ptr", "int", "int"], returns: "int" },
});

/** How a path below a root may be walked; openat2(2). */
export const resolveFlags = {
  /** No crossing into another mount. */
  noMounts: 0x01,
  noMagicLinks: 0x02,
  noSymlinks: 0x04,
  /** `..` and absolute links that leave the folder are errors. */
  beneath: 0x08,
  /** `..` and absolute links act as in a chroot. */
  inRoot: 0x10,
} as const;

/** Flags of open(2) on x86_64 and arm64 alike, but for O_DIRECTORY and O_NOFOLLOW (arm64 swaps them). */
export const openFlags = {
  read: 0,
  write: 1,
  readWrite: 2,
  create: 0o100,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  nonBlock: 0o4000,
  directory: process.arch === "arm64" ? 0o40000 : 0o200000,
  noFollow: process.arch === "arm64" ? 0o100000 : 0o400000,
  closeOnExec: 0o2000000,
  path: 0o10000000,
} as const;

/**
 * Opens `path` as it looks from inside the folder `rootFd`: links and `..` never lead out, whatever happens to the
 * tree meanwhile. The kernel resolves. A path that need not be UTF-8 is given as NUL-terminated FFI memory. The descriptor is close-on-exec and the caller's to close.
 */
export function openInRoot(
  rootFd: number,
  path: string | Buffer,
  options: { flags?: number; mode?: number; resolve?: number } = {},
): number {
  const how = memory(24); // struct open_how: u64 flags, mode, resolve
  how.writeBigUInt64LE(BigInt((options.flags ?? openFlags.path) | openFlags.closeOnExec), 0);
  how.writeBigUInt64LE(BigInt(options.mode ?? 0), 8);
  how.writeBigUInt64LE(BigInt(options.resolve ?? resolveFlags.inRoot | resolveFlags.noMagicLinks), 16);
  const name = typeof path === "string" ? cstring(path === "" ? "." : path) : path;
  for (let attempt = 0; ; attempt++) {
    try {
      return check(
        "openat2",
        () => libc.syscall(437, rootFd, name, how, 24),
        typeof path === "string" ? path : path.toString("utf8", 0, path.length - 1),
      );
    } catch (error) {
      // EAGAIN: something was renamed during the walk and the kernel cannot tell whether `..` stayed inside
      if (attempt >= 32 || !(error instanceof Error) || !("code" in error) || error.code !== "EAGAIN") throw error;
    }
  }
}

/** A folder as a root for openInRoot; close-on-exec, the caller's to close. */
export function openRoot(path: string): number {
  const name = cstring(path);
  return check("open", () => libc.open(name, openFlags.path | openFlags.directory | openFlags.closeOnExec, 0), path);
}
