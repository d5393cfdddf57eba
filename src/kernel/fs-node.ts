import { check, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  open: { args: ["ptr", "int", "u32"], returns: "int" },
  write: { args: ["int", "ptr", "u64"], returns: "i64" },
  close: { args: ["int"], returns: "int" },
  mkdir: { args: ["ptr", "u32"], returns: "int" },
  symlink: { args: ["ptr", "ptr"], returns: "int" },
  linkat: { args: ["int", "ptr", "int", "ptr", "int"], returns: "int" },
  mknod: { args: ["ptr", "u32", "u64"], returns: "int" },
  unlink: { args: ["ptr"], returns: "int" },
  rmdir: { args: ["ptr"], returns: "int" },
  lchown: { args: ["ptr", "u32", "u32"], returns: "int" },
  fchown: { args: ["int", "u32", "u32"], returns: "int" },
  chmod: { args: ["ptr", "u32"], returns: "int" },
  fchmod: { args: ["int", "u32"], returns: "int" },
  ftruncate: { args: ["int", "i64"], returns: "int" },
  lseek: { args: ["int", "i64", "int"], returns: "i64" },
  utimensat: { args: ["int", "ptr", "ptr", "int"], returns: "int" },
  futimens: { args: ["int", "ptr"], returns: "int" },
  renameat: { args: ["int", "ptr", "int", "ptr"], returns: "int" },
  statx: { args: ["int", "ptr", "int", "u32", "ptr"], returns: "int" },
  syncfs: { args: ["int"], returns: "int" },
  fsync: { args: ["int"], returns: "int" },
});

/**
 * File calls by the bytes of a name: what archives hold need not be UTF-8. Every path is NUL-terminated FFI memory
 * (`nameBytes`). Functions whose name starts with `try` give the errno instead of throwing, 0 for success.
 */
export function nameBytes(latin1: string): Buffer {
  const bytes = memory(latin1.length + 1);
  bytes.write(latin1, 0, "latin1");
  return bytes;
}

const shown = (path: Buffer): string => path.toString("utf8", 0, path.length - 1);
const outcome = (result: number): number => (result < 0 ? errno() : 0);

/** open(2) with O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW; the descriptor, or the negative errno. */
export function tryCreateFile(path: Buffer): number {
  const fd = libc.open(path, 0o1 | 0o100 | 0o200 | 0o2000000, 0o600);
  return fd < 0 ? -errno() : fd;
}

/** Writes all of the bytes. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let view = bytes;
  while (view.length > 0) {
    const written = check("write", () => libc.write(fd, view, BigInt(view.length)));
    view = view.subarray(written);
  }
}

export const closeFd = (fd: number): void => void libc.close(fd);
export const tryMkdir = (path: Buffer, mode: number): number => outcome(libc.mkdir(path, mode));
export const trySymlink = (target: Buffer, path: Buffer): number => outcome(libc.symlink(target, path));
/** A hard link to the path itself, not to what it links to. */
export const tryLink = (from: Buffer, to: Buffer): number => outcome(libc.linkat(-100, from, -100, to, 0));
export const tryUnlink = (path: Buffer): number => outcome(libc.unlink(path));
export const tryRmdir = (path: Buffer): number => outcome(libc.rmdir(path));
/** `mode` with the type bits; `device` by `deviceNumber`. */
export const tryMknod = (path: Buffer, mode: number, device: bigint): number => outcome(libc.mknod(path, mode, device));
export const tryRenameInto = (path: Buffer, folderFd: number, name: Buffer): number =>
  outcome(libc.renameat(-100, path, folderFd, name));

/** glibc's makedev(3). */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffn) << 8n) | ((high & ~0xfffn) << 32n) | (low & 0xffn) | ((low & ~0xffn) << 12n);
}

export const chownPath = (path: Buffer, uid: number, gid: number): void =>
  void check("lchown", () => libc.lchown(path, uid, gid), shown(path));
export const chownFd = (fd: number, uid: number, gid: number): void =>
  void check("fchown", () => libc.fchown(fd, uid, gid));
/** Follows links: never for a symbolic link. */
export const chmodPath = (path: Buffer, mode: number): void =>
  void check("chmod", () => libc.chmod(path, mode), shown(path));
export const chmodFd = (fd: number, mode: number): void => void check("fchmod", () => libc.fchmod(fd, mode));
export const setLength = (fd: number, bytes: number): void => void check("ftruncate", () => libc.ftruncate(fd, bytes));
export const seekTo = (fd: number, offset: number): void => void check("lseek", () => libc.lseek(fd, offset, 0));

const times = memory(32);
function timespecs(atimeNs: bigint, mtimeNs: bigint): Buffer {
  for (const [index, ns] of [atimeNs, mtimeNs].entries()) {
    const seconds = ns >= 0n ? ns / 1_000_000_000n : -((999_999_999n - ns) / 1_000_000_000n);
    times.writeBigInt64LE(seconds, index * 16);
    times.writeBigInt64LE(ns - seconds * 1_000_000_000n, index * 16 + 8);
  }
  return times;
}

/** Sets the times of the path itself. utimensat(2) with AT_SYMLINK_NOFOLLOW */
export const setTimes = (path: Buffer, atimeNs: bigint, mtimeNs: bigint): void =>
  void check("utimensat", () => libc.utimensat(-100, path, timespecs(atimeNs, mtimeNs), 0x100), shown(path));
export const setTimesFd = (fd: number, atimeNs: bigint, mtimeNs: bigint): void =>
  void check("futimens", () => libc.futimens(fd, timespecs(atimeNs, mtimeNs)));

export interface NodeStat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: bigint;
  readonly sizeBytes: number;
  /** 512-byte units on disk. */
  readonly blocks: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

/** lstat by statx(2); undefined when nothing is there. `folderFd`: where a relative path starts. */
export function statNode(path: Buffer, folderFd = -100 /* AT_FDCWD */): NodeStat | undefined {
  const result = memory(256);
  if (libc.statx(folderFd, path, 0x100 | 0x800, 0x7ff /* STATX_BASIC_STATS */, result) !== 0) {
    const code = errno();
    if (code === 2 || code === 20) return undefined;
    throw new SyscallError("statx", code, shown(path));
  }
  return {
    mode: result.readUInt16LE(28),
    uid: result.readUInt32LE(20),
    gid: result.readUInt32LE(24),
    links: result.readUInt32LE(16),
    inode: result.readBigUInt64LE(32),
    sizeBytes: Number(result.readBigUInt64LE(40)),
    blocks: Number(result.readBigUInt64LE(48)),
    ctimeNs: result.readBigInt64LE(96) * 1_000_000_000n + BigInt(result.readUInt32LE(104)),
    mtimeNs: result.readBigInt64LE(112) * 1_000_000_000n + BigInt(result.readUInt32LE(120)),
    rdevMajor: result.readUInt32LE(128),
    rdevMinor: result.readUInt32LE(132),
    devMajor: result.readUInt32LE(136),
    devMinor: result.readUInt32LE(140),
  };
}

/** Type bits of a mode; sys/stat.h */
export const nodeTypes = {
  mask: 0o170000,
  socket: 0o140000,
  link: 0o120000,
  file: 0o100000,
  block: 0o060000,
  folder: 0o040000,
  character: 0o020000,
  fifo: 0o010000,
} as const;

/** Waits until everything of the file system is on the disk. Blocks long: in Workers only. */
export const syncFileSystem = (fd: number): void => void check("syncfs", () => libc.syncfs(fd));
