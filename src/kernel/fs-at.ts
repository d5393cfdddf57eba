import { check, cstring, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  openat: { args: ["int", "ptr", "int", "u32"], returns: "int" },
  mkdirat: { args: ["int", "ptr", "u32"], returns: "int" },
  mknodat: { args: ["int", "ptr", "u32", "u64"], returns: "int" },
  symlinkat: { args: ["ptr", "int", "ptr"], returns: "int" },
  readlinkat: { args: ["int", "ptr", "ptr", "u64"], returns: "i64" },
  linkat: { args: ["int", "ptr", "int", "ptr", "int"], returns: "int" },
  fchownat: { args: ["int", "ptr", "u32", "u32", "int"], returns: "int" },
  fchmodat: { args: ["int", "ptr", "u32", "int"], returns: "int" },
  utimensat: { args: ["int", "ptr", "ptr", "int"], returns: "int" },
  copy_file_range: { args: ["int", "ptr", "int", "ptr", "u64", "u32"], returns: "i64" },
  sendfile: { args: ["int", "int", "ptr", "u64"], returns: "i64" },
  lseek: { args: ["int", "i64", "int"], returns: "i64" },
  ioctl: { args: ["int", "u64", "i64"], returns: "int" },
  flistxattr: { args: ["int", "ptr", "u64"], returns: "i64" },
  fgetxattr: { args: ["int", "ptr", "ptr", "u64"], returns: "i64" },
  fsetxattr: { args: ["int", "ptr", "ptr", "u64", "int"], returns: "int" },
});

/*
 * File calls relative to a folder's descriptor, by the bytes of a name (NUL-terminated FFI memory, `nameBytes`).
 * Nothing is resolved but the one name, and no link at its end is followed. Functions that start with `try` give the
 * errno, 0 for success; the others throw.
 */
const outcome = (result: number): number => (result < 0 ? errno() : 0);

/** openat(2), always close-on-exec; the descriptor, or the negative errno. */
export function tryOpenAt(folderFd: number, name: Buffer, flags: number, mode = 0): number {
  const fd = libc.openat(folderFd, name, flags | 0o2000000, mode);
  return fd < 0 ? -errno() : fd;
}

export const tryMkdirAt = (folderFd: number, name: Buffer, mode: number): number =>
  outcome(libc.mkdirat(folderFd, name, mode));
export const tryMknodAt = (folderFd: number, name: Buffer, mode: number, device: bigint): number =>
  outcome(libc.mknodat(folderFd, name, mode, device));
export const trySymlinkAt = (target: Buffer, folderFd: number, name: Buffer): number =>
  outcome(libc.symlinkat(target, folderFd, name));
/** A hard link to `from` (below `fromFd`) itself, not to what it links to. */
export const tryLinkAt = (fromFd: number, from: Buffer, folderFd: number, name: Buffer): number =>
  outcome(libc.linkat(fromFd, from, folderFd, name, 0));

/** The text of a link, NUL-terminated; undefined when it is no link any more. */
export function readLinkAt(folderFd: number, name: Buffer): Buffer | undefined {
  const text = memory(4097); // PATH_MAX: no link is longer
  const length = Number(libc.readlinkat(folderFd, name, text, 4096n));
  return length < 0 ? undefined : text.subarray(0, length + 1);
}

const noFollow = 0x100; // AT_SYMLINK_NOFOLLOW
export const chownAt = (folderFd: number, name: Buffer, uid: number, gid: number): void =>
  void check("fchownat", () => libc.fchownat(folderFd, name, uid, gid, noFollow));
/** Follows links: never for a symbolic link. */
export const chmodAt = (folderFd: number, name: Buffer, mode: number): void =>
  void check("fchmodat", () => libc.fchmodat(folderFd, name, mode, 0));

const times = memory(32);
/** Sets modification time and access time to the same moment. */
export function setTimesAt(folderFd: number, name: Buffer, mtimeNs: bigint): void {
  const seconds = mtimeNs >= 0n ? mtimeNs / 1_000_000_000n : -((999_999_999n - mtimeNs) / 1_000_000_000n);
  for (const offset of [0, 16]) {
    times.writeBigInt64LE(seconds, offset);
    times.writeBigInt64LE(mtimeNs - seconds * 1_000_000_000n, offset + 8);
  }
  check("utimensat", () => libc.utimensat(folderFd, name, times, noFollow));
}

/** Makes `to` share the blocks of `from`; false where the file system cannot. ioctl_ficlone(2) */
export const reflink = (from: number, to: number): boolean => libc.ioctl(to, 0x40049409n, BigInt(from)) === 0;

let ranges = true;
/** Moves up to `bytes` from one file's position to another's inside the kernel; 0 at the end. copy_file_range(2) */
export function copyRange(from: number, to: number, bytes: number): number {
  for (;;) {
    const moved = Number(
      ranges
        ? libc.copy_file_range(from, null, to, null, BigInt(bytes), 0)
        : libc.sendfile(to, from, null, BigInt(bytes)),
    );
    if (moved >= 0) return moved;
    const code = errno();
    if (code === 4) continue;
    // between file systems that do not know each other, or on those that have no such call
    if (ranges && [18, 22, 38, 95].includes(code)) ranges = false;
    else throw new SyscallError(ranges ? "copy_file_range" : "sendfile", code);
  }
}

/** Where data (3) or a hole (4) begins from an offset on; -1 when there is no more. lseek(2), SEEK_DATA, SEEK_HOLE */
export const seekFor = (fd: number, offset: number, what: 3 | 4): number => Number(libc.lseek(fd, offset, what));

/** All extended attributes of an open file or folder; none where its file system keeps none. */
export function readXattrs(fd: number): readonly (readonly [name: string, value: Buffer])[] {
  const first = Number(libc.flistxattr(fd, null, 0n));
  if (first <= 0) return [];
  const names = memory(65536); // XATTR_LIST_MAX
  const length = Number(libc.flistxattr(fd, names, 65536n));
  if (length <= 0) return [];
  const found: [string, Buffer][] = [];
  for (const name of names.toString("utf8", 0, length - 1).split("\0")) {
    const key = cstring(name);
    const value = memory(65536); // XATTR_SIZE_MAX
    const size = Number(libc.fgetxattr(fd, key, value, 65536n));
    if (size >= 0) found.push([name, value.subarray(0, size)]); // else removed meanwhile
  }
  return found;
}

/** Sets one; the errno, 0 for success. */
export function trySetXattr(fd: number, name: string, value: Buffer): number {
  const key = cstring(name);
  return outcome(libc.fsetxattr(fd, key, value, BigInt(value.length), 0));
}
