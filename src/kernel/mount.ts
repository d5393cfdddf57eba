import { readFileSync } from "node:fs";
import { check, cstring, errno, memory, symbols, SyscallError } from "./call.ts";

const libc = symbols({
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "int" },
  umount2: { args: ["ptr", "int"], returns: "int" },
  statx: { args: ["int", "ptr", "int", "u32", "ptr"], returns: "int" },
});

/** Flags of mount(2), from linux/mount.h. */
export const mountFlags = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  remount: 32,
  noAtime: 1024,
  bind: 4096,
  move: 8192,
  recursive: 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
  strictAtime: 1 << 24,
} as const;

/** mount(2). Throws SyscallError. `data` is cut by the kernel at one page: longer ones are refused here (E2BIG). */
export function mount(options: { source: string; target: string; type?: string; flags?: number; data?: string }): void {
  const data = options.data === undefined ? null : cstring(options.data);
  if (data && data.length > 4096) throw new SyscallError("mount", 7, options.target);
  const source = cstring(options.source);
  const target = cstring(options.target);
  const type = options.type === undefined ? null : cstring(options.type);
  check("mount", () => libc.mount(source, target, type, BigInt(options.flags ?? 0), data), options.target);
}

/** Makes `target` show `source`; with `readOnly` in a second step, as bind ignores other flags (mount(2)). */
export function bindMount(
  source: string,
  target: string,
  options: { recursive?: boolean; readOnly?: boolean } = {},
): void {
  mount({ source, target, flags: mountFlags.bind | (options.recursive ? mountFlags.recursive : 0) });
  if (options.readOnly) remount(target, mountFlags.bind | mountFlags.readOnly);
}

/** Changes the flags of a mount. */
export function remount(target: string, flags: number): void {
  mount({ source: "none", target, flags: mountFlags.remount | flags });
}

export type Propagation = "private" | "slave" | "shared" | "unbindable";

/** Sets how mounts travel between this one and its peers. */
export function setPropagation(target: string, propagation: Propagation, options: { recursive?: boolean } = {}): void {
  mount({ source: "none", target, flags: mountFlags[propagation] | (options.recursive ? mountFlags.recursive : 0) });
}

/** umount2(2). Not an error when nothing is mounted there: false. `detach` hides it at once and frees it when idle. */
export function unmount(target: string, options: { detach?: boolean } = {}): boolean {
  const path = cstring(target);
  // UMOUNT_NOFOLLOW 8: the last part is never a link that somebody put there
  if (libc.umount2(path, 8 | (options.detach ? 2 : 0)) === 0) return true;
  const code = errno();
  if (code === 22 /* EINVAL: no mount point */ || code === 2 /* ENOENT */ || code === 20 /* ENOTDIR */) return false;
  throw new SyscallError("umount2", code, target);
}

/** Whether the path is the root of a mount: one system call (STATX_ATTR_MOUNT_ROOT, Linux >= 5.8). */
export function isMounted(path: string): boolean {
  const name = cstring(path);
  const result = memory(256);
  // AT_FDCWD, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
  if (libc.statx(-100, name, 0x100 | 0x800, 0, result) !== 0) {
    const code = errno();
    if (code === 2 || code === 20) return false;
    throw new SyscallError("statx", code, path);
  }
  if ((result.readBigUInt64LE(56) & 0x2000n) === 0n) return mounts().some((entry) => entry.target === path);
  return (result.readBigUInt64LE(8) & 0x2000n) !== 0n;
}

export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor` */
  readonly device: string;
  /** Folder of that file system which is the mount's root. */
  readonly root: string;
  readonly target: string;
  readonly options: string;
  /** Peer group where the mount is shared, else 0. */
  readonly sharedGroup: number;
  readonly type: string;
  readonly source: string;
  readonly superOptions: string;
}

/** The mounts of this process, or those at and below `under` alone. proc(5), mountinfo */
export function mounts(options: { under?: string; pid?: number } = {}): Mount[] {
  const text = readFileSync(`/proc/${options.pid ?? "self"}/mountinfo`, "utf8");
  const found: Mount[] = [];
  for (const line of text.split("\n")) {
    const target = unescape(fieldAt(line, 4));
    if (
      !target ||
      (options.under !== undefined &&
        target !== options.under &&
        !target.startsWith(`${options.under.replace(/\/$/, "")}/`))
    )
      continue;
    const [head = "", tail = ""] = line.split(" - ", 2);
    const [id = "", parent = "", device = "", root = "", , mountOptions = "", ...tags] = head.split(" ");
    const [type = "", source = "", superOptions = ""] = tail.split(" ");
    const shared = tags.find((tag) => tag.startsWith("shared:"));
    found.push({
      id: Number(id),
      parentId: Number(parent),
      device,
      root: unescape(root),
      target,
      options: mountOptions,
      sharedGroup: shared ? Number(shared.slice(7)) : 0,
      type,
      source: unescape(source),
      superOptions,
    });
  }
  return found;
}

/** Unmounts everything at and below a path, deepest first; how many there were. */
export function unmountAll(path: string): number {
  const below = mounts({ under: path }).reverse();
  for (const { target } of below) unmount(target, { detach: true });
  return below.length;
}

function fieldAt(line: string, index: number): string {
  let start = 0;
  for (let field = 0; field < index; field++) {
    start = line.indexOf(" ", start) + 1;
    if (start === 0) return "";
  }
  const end = line.indexOf(" ", start);
  return end < 0 ? line.slice(start) : line.slice(start, end);
}

/** Blank, tab, newline and backslash are written as octal. */
const unescape = (text: string): string =>
  text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text;
