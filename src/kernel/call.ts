import { dlopen, type FFIFunction, ptr, read } from "bun:ffi";

/** A system call that failed. `code` is the errno name where it is a common one, else `E<number>`. */
export class SyscallError extends Error {
  readonly call: string;
  readonly errno: number;
  readonly code: string;
  readonly path: string | undefined;

  constructor(call: string, errno: number, path?: string) {
    const code = errnoNames[errno] ?? `E${errno}`;
    super(path === undefined ? `${call}: ${code}` : `${call} ${path}: ${code}`);
    this.name = "SyscallError";
    this.call = call;
    this.errno = errno;
    this.code = code;
    this.path = path;
  }
}

// asm-generic/errno-base.h, errno.h
const errnoNames: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  7: "E2BIG",
  9: "EBADF",
  10: "ECHILD",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  25: "ENOTTY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  31: "EMLINK",
  32: "EPIPE",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  61: "ENODATA",
  71: "EPROTO",
  75: "EOVERFLOW",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  104: "ECONNRESET",
  106: "EISCONN",
  107: "ENOTCONN",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
  114: "EALREADY",
  115: "EINPROGRESS",
};

const libc = "libc.so.6";
const errnoLocation = dlopen(libc, { __errno_location: { args: [], returns: "ptr" } }).symbols.__errno_location;

/** Declares functions of libc: `const c = symbols({ mount: { args: [...], returns: "int" } })`. */
export function symbols<T extends Record<string, FFIFunction>>(declared: T) {
  return dlopen(libc, declared).symbols;
}

/** The errno of the call just made. Read it before anything else runs on this thread. */
export function errno(): number {
  const location = errnoLocation();
  return location === null ? 0 : read.i32(location, 0);
}

/** Runs a call, again on EINTR, and throws a SyscallError when it gives a negative result. */
export function check(name: string, call: () => number | bigint, path?: string): number {
  for (;;) {
    const result = Number(call());
    if (result >= 0) return result;
    const code = errno();
    if (code !== 4 /* EINTR */) throw new SyscallError(name, code, path);
  }
}

/**
 * Memory that may be handed to the kernel. Small Buffers move when their ArrayBuffer is first materialised
 * (Bun 1.4.5), so FFI memory is always made here. Keep a reference to it for as long as the kernel may use it.
 */
export const memory = (bytes: number): Buffer => Buffer.from(new ArrayBuffer(bytes));

/** A NUL-terminated string in FFI memory. Throws on an embedded NUL, which would silently cut a path. */
export function cstring(text: string): Buffer {
  if (text.includes("\0")) throw new SyscallError("cstring", 22, text);
  const length = Buffer.byteLength(text);
  const bytes = memory(length + 1);
  bytes.write(text, 0, "utf8");
  return bytes;
}

/** The address of FFI memory, for a struct that holds pointers. */
export const address = (bytes: Buffer): bigint => BigInt(ptr(bytes));
