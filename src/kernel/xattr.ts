import { check, cstring, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  lsetxattr: { args: ["ptr", "ptr", "ptr", "u64", "int"], returns: "int" },
  lgetxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" },
  llistxattr: { args: ["ptr", "ptr", "u64"], returns: "i64" },
  lremovexattr: { args: ["ptr", "ptr"], returns: "int" },
});

/** A path as text, or as a NUL-terminated name in FFI memory where it may not be UTF-8. */
export type PathBytes = string | Buffer;
const bytes = (path: PathBytes): Buffer => (typeof path === "string" ? cstring(path) : path);
const text = (path: PathBytes): string =>
  typeof path === "string" ? path : path.toString("latin1", 0, path.length - 1);

/** Sets an extended attribute of the path itself, not of what it links to. */
export function setXattr(path: PathBytes, name: string, value: Buffer): void {
  const target = bytes(path);
  const key = cstring(name);
  const data = memory(Math.max(value.length, 1));
  value.copy(data);
  check("lsetxattr", () => libc.lsetxattr(target, key, data, BigInt(value.length), 0), text(path));
}

/** The attribute's bytes; undefined when the path has none of that name or its file system keeps none. */
export function getXattr(path: PathBytes, name: string): Buffer | undefined {
  const target = bytes(path);
  const key = cstring(name);
  for (let room = 256; ; room = 65536) {
    // XATTR_SIZE_MAX
    const data = memory(room);
    const length = Number(libc.lgetxattr(target, key, data, BigInt(room)));
    if (length >= 0) return data.subarray(0, length);
    const code = errno();
    if (code === 61 /* ENODATA */ || code === 95 /* EOPNOTSUPP */) return undefined;
    if (code !== 34 /* ERANGE */ || room === 65536) throw new SyscallError("lgetxattr", code, text(path));
  }
}

/** Names of the path's extended attributes. */
export function listXattr(path: PathBytes): string[] {
  const target = bytes(path);
  for (let room = 1024; ; room = 65536) {
    // XATTR_LIST_MAX
    const data = memory(room);
    const length = Number(libc.llistxattr(target, data, BigInt(room)));
    if (length >= 0) return length === 0 ? [] : data.toString("utf8", 0, length - 1).split("\0");
    const code = errno();
    if (code === 95 /* EOPNOTSUPP */) return [];
    if (code !== 34 /* ERANGE */ || room === 65536) throw new SyscallError("llistxattr", code, text(path));
  }
}

/** Removes the attribute; nothing happens when it is not there. */
export function removeXattr(path: PathBytes, name: string): void {
  const target = bytes(path);
  const key = cstring(name);
  if (libc.lremovexattr(target, key) === 0) return;
  const code = errno();
  if (code !== 61) throw new SyscallError("lremovexattr", code, text(path));
}
