import { closeSync } from "node:fs";
import { check, cstring, memory, symbols } from "./call.ts";

// glibc has wrappers from 2.36 on only: syscall(2), with numbers that all architectures share
const libc = symbols({ syscall: { args: ["i64", "i64", "ptr", "i64", "ptr", "i64"], returns: "i64" } });
const numbers = { openTree: 428, moveMount: 429, mountSetattr: 442 } as const;

const emptyPath = 0x1000; // AT_EMPTY_PATH
const recursive = 0x8000; // AT_RECURSIVE
const closeOnExec = 0x80000;
const here = -100; // AT_FDCWD

/** Attributes of mount_setattr(2). */
export const mountAttributes = {
  readOnly: 0x1n,
  noSuid: 0x2n,
  noDev: 0x4n,
  noExec: 0x8n,
  idmap: 0x100000n,
} as const;

/**
 * A copy of the mount at a path, attached nowhere; it goes when its last descriptor and the mounts made of it go.
 * The caller closes it. open_tree(2), Linux >= 5.2
 */
export function cloneMount(path: string, options: { recursive: boolean }): number {
  const name = cstring(path);
  const flags = 1 /* OPEN_TREE_CLONE */ | closeOnExec | (options.recursive ? recursive : 0);
  return check("open_tree", () => libc.syscall(numbers.openTree, here, name, flags, null, 0), path);
}

/** Puts a detached mount at a path: a folder, or a file for a file. The descriptor stays the caller's. move_mount(2) */
export function attachMount(fd: number, target: string): void {
  const empty = cstring("");
  const name = cstring(target);
  // MOVE_MOUNT_F_EMPTY_PATH
  check("move_mount", () => libc.syscall(numbers.moveMount, fd, empty, here, name, 4), target);
}

/** Changes attributes of a detached mount, and with `recursive` of those in it. mount_setattr(2), Linux >= 5.12 */
export function setMountAttributes(
  fd: number,
  change: { set?: bigint; clear?: bigint; usernsFd?: number; recursive?: boolean },
): void {
  const empty = cstring("");
  const attributes = memory(32); // struct mount_attr: u64 set, clear, propagation, userns_fd
  attributes.writeBigUInt64LE(change.set ?? 0n, 0);
  attributes.writeBigUInt64LE(change.clear ?? 0n, 8);
  attributes.writeBigUInt64LE(BigInt(change.usernsFd ?? 0), 24);
  const flags = emptyPath | (change.recursive ? recursive : 0);
  check("mount_setattr", () => libc.syscall(numbers.mountSetattr, fd, empty, flags, attributes, 32));
}

/** Shows the ids of a folder's files through a user namespace's map: an idmapped mount of `source` at `target`. */
export function idmapMount(source: string, target: string, usernsFd: number): void {
  const fd = cloneMount(source, { recursive: false });
  try {
    setMountAttributes(fd, { set: mountAttributes.idmap, usernsFd });
    attachMount(fd, target);
  } finally {
    closeSync(fd);
  }
}
